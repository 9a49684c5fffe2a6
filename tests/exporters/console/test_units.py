from __future__ import annotations

import os

import pytest

from thread_exporters.console._units import duration, printable, quantity


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (4e-10, "0.40 ns"),
        (6e-8, "60.0 ns"),
        (1.2345e-6, "1.23 µs"),
        (0.000123, "123 µs"),
        (0.0009999, "1.00 ms"),
        (0.04, "40.0 ms"),
        (1.0, "1.00 s"),
        (12.345, "12.3 s"),
        (119.4, "119 s"),
        (125.2, "2 min 5 s"),
        (7199.9, "120 min 0 s"),
        (7800.0, "2 h 10 min"),
    ],
)
def test_a_duration_has_three_digits_and_a_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_an_estimate_has_two_digits() -> None:
    assert [duration(seconds, digits=2) for seconds in (0.00123, 0.0123, 0.123)] == ["1.2 ms", "12 ms", "120 ms"]


def test_things_are_counted_in_singular_and_plural() -> None:
    assert [quantity(number, "thread") for number in (0, 1, 1200)] == ["0 threads", "1 thread", "1,200 threads"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Schloß 鎖", "Schloß 鎖"),
        ("two\nlines", r"two\nlines"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        (os.fsdecode(b"\xff.py"), r"\udcff.py"),
    ],
)
def test_what_would_disturb_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
