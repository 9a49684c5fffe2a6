"""The one line that stands for a finding."""

from __future__ import annotations

import pytest

from thread._findings.lines import Part, duration, first_line, ring


def test_a_deadlock_says_who_holds_and_wants_what() -> None:
    parts = [Part("transfer (bank.py:8)", ["accounts"], "journal"), Part("audit (bank.py:12)", ["journal"], "accounts")]
    assert first_line("deadlock", "certain", 3.8, ring(parts)) == (
        "DEADLOCK  certain, for 3.8 s: transfer (bank.py:8) holds accounts, wants journal; "
        "audit (bank.py:12) holds journal, wants accounts"
    )


def test_a_finding_of_unknown_age_has_none() -> None:
    assert first_line("lock_held_long", "likely", None, "it") == "LOCK HELD LONG  likely: it"


def test_several_locks_are_listed() -> None:
    assert str(Part("f (a.py:1)", ["a", "b", "c"])) == "f (a.py:1) holds a, b and c"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 ms"),
        (0.04, "40 ms"),
        (0.9996, "1.0 s"),
        (3.84, "3.8 s"),
        (720, "12 min"),
        (18000, "5 h"),
        (7200, "2 h"),
    ],
)
def test_a_duration_is_said_as_a_person_would(seconds: float, said: str) -> None:
    assert duration(seconds) == said
