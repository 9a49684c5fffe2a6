from __future__ import annotations

import ast
import itertools
import re
from dataclasses import FrozenInstanceError, asdict
from pathlib import Path
from typing import Any

import pytest
from programs import output_of

import thread._settings.settings
from thread._settings.environment import changes_from, exporter_names
from thread._settings.settings import Settings, check_timeout
from thread._settings.table import SETTINGS, for_core


def test_the_defaults_are_those_documented() -> None:
    assert asdict(Settings()) == {
        "slow_wait": 0.010,
        "hold_sampling": 64,
        "export_interval": 10.0,
        "export_timeout": 5.0,
        "event_capacity": 4096,
        "stack_depth": 64,
        "exception_details": True,
    }


def test_the_table_has_the_settings_in_their_order() -> None:
    assert [(name, setting.default) for name, setting in SETTINGS.items()] == list(asdict(Settings()).items())


def test_the_documentation_of_each_field_names_its_variable() -> None:
    tree = ast.parse(Path(thread._settings.settings.__file__).read_text())
    [body] = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    explained = {
        field.target.id: ast.unparse(text)
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }
    assert explained.keys() == SETTINGS.keys()
    for name, setting in SETTINGS.items():
        assert f"`{setting.variable}`" in explained[name]


def test_the_core_in_c_begins_with_the_defaults_of_the_table() -> None:
    sources = Path(thread.__file__).with_name("_c").glob("*.c")
    initial = [
        found[1] for each in sources if (found := re.search(r"Settings settings = \{(.*?)\}", each.read_text(), re.S))
    ]
    assert len(initial) == 1
    assert for_core({}) == {name: int(value) for name, value in re.findall(r"\.(\w+) = (\d+)", initial[0])}


def test_the_core_in_python_begins_with_the_defaults_of_the_table() -> None:
    program = """
        from thread import _backend
        from thread._settings.table import for_core
        state = __import__("sys").modules[_backend.core.configure.__module__].Settings
        print(for_core({}) == {name: getattr(state, name) for name in for_core({})})
    """
    assert output_of(program, THREAD_TELEMETRY_PURE="1") == ["True"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ("prometheus", "console")),
        (" , ", ("prometheus", "console")),
        ("none", ()),
        (" otlp,console , otlp,", ("otlp", "console")),
    ],
)
def test_exporters_are_named_once_each_and_none_is_no_exporter(text: str, names: tuple[str, ...]) -> None:
    assert exporter_names(text, ("prometheus", "console")) == names


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().slow_wait = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("name", asdict(Settings()))
@pytest.mark.parametrize("value", ["5", None, True, 1j, [1]])
def test_a_value_of_a_wrong_type_says_what_was_expected_and_what_came(name: str, value: object) -> None:
    if name == "exception_details" and value is True:
        value = 1
    with pytest.raises(TypeError, match=rf"^{name}: expected .*, got ") as raised:
        Settings(**{name: value})  # type: ignore[arg-type]
    assert str(raised.value).endswith(f"got {value!r}")


@pytest.mark.parametrize("name", ["hold_sampling", "event_capacity", "stack_depth"])
def test_what_is_counted_is_no_fraction(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name}: expected a whole number.*, got 1\.5$"):
        Settings(**{name: 1.5})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("slow_wait", -0.001),
        ("slow_wait", float("nan")),
        ("slow_wait", float("inf")),
        ("export_interval", 0),
        ("export_timeout", 0.0),
        ("export_timeout", 1e300),
        ("hold_sampling", -1),
        ("hold_sampling", 2**31),
        ("event_capacity", 0),
        ("event_capacity", 1_000_001),
        ("stack_depth", 0),
        ("stack_depth", 10**6),
    ],
)
def test_a_value_out_of_range_says_what_was_expected_and_what_came(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: expected ") as raised:
        Settings(**{name: value})  # type: ignore[arg-type]
    assert str(raised.value).endswith(f"got {value!r}")


def test_seconds_may_be_whole_and_a_slow_wait_as_short_as_can_be() -> None:
    assert Settings(slow_wait=0, export_interval=1).slow_wait == 0


def test_an_unknown_setting_lists_those_that_there_are() -> None:
    misspelt: Any = {"slow_wiat": 1}
    with pytest.raises(TypeError, match=r"^unknown setting 'slow_wiat': expected one of slow_wait, hold_sampling, "):
        Settings().changed(misspelt)


def test_what_is_not_changed_stays() -> None:
    assert Settings(stack_depth=7).changed({"slow_wait": 1.0}) == Settings(slow_wait=1.0, stack_depth=7)


def test_every_setting_has_its_variable() -> None:
    changes, complaints = changes_from(
        {
            "THREAD_TELEMETRY_SLOW_WAIT_MS": "2.5",
            "THREAD_TELEMETRY_HOLD_SAMPLING": "0",
            "THREAD_TELEMETRY_EXPORT_INTERVAL": "60",
            "THREAD_TELEMETRY_EXPORT_TIMEOUT": " 0.5 ",
            "THREAD_TELEMETRY_EVENT_CAPACITY": "10",
            "THREAD_TELEMETRY_STACK_DEPTH": "3",
            "THREAD_TELEMETRY_EXCEPTION_DETAILS": "No",
            "THREAD_TELEMETRY_PORT": "none of ours",
        }
    )
    assert not complaints
    assert Settings().changed(changes) == Settings(
        slow_wait=0.0025,
        hold_sampling=0,
        export_interval=60.0,
        export_timeout=0.5,
        event_capacity=10,
        stack_depth=3,
        exception_details=False,
    )


def test_an_empty_variable_is_none() -> None:
    assert changes_from({"THREAD_TELEMETRY_STACK_DEPTH": "", "THREAD_TELEMETRY_SLOW_WAIT_MS": " "}) == ({}, [])


@pytest.mark.parametrize(
    ("variable", "text", "complaint"),
    [
        (
            "THREAD_TELEMETRY_SLOW_WAIT_MS",
            "soon",
            "THREAD_TELEMETRY_SLOW_WAIT_MS: expected a number of milliseconds, at least 0, got 'soon'; "
            "using the default, 10",
        ),
        (
            "THREAD_TELEMETRY_EXPORT_INTERVAL",
            "-1",
            "THREAD_TELEMETRY_EXPORT_INTERVAL: expected a number of seconds, at least 0.001, got '-1'; "
            "using the default, 10",
        ),
        (
            "THREAD_TELEMETRY_STACK_DEPTH",
            "1.5",
            "THREAD_TELEMETRY_STACK_DEPTH: expected a whole number from 1 to 1,000, got '1.5'; using the default, 64",
        ),
        (
            "THREAD_TELEMETRY_EXCEPTION_DETAILS",
            "never",
            "THREAD_TELEMETRY_EXCEPTION_DETAILS: expected 1 or 0, got 'never'; using the default, 1",
        ),
    ],
)
def test_a_bad_variable_is_one_clear_line_and_the_others_count(variable: str, text: str, complaint: str) -> None:
    changes, complaints = changes_from({variable: text, "THREAD_TELEMETRY_EVENT_CAPACITY": "5"})
    assert (changes, complaints) == ({"event_capacity": 5}, [complaint])


@pytest.mark.parametrize(("timeout", "error"), [(-1, ValueError), ("1", TypeError), (float("nan"), ValueError)])
def test_a_bad_timeout_says_what_was_expected_and_what_came(timeout: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"^timeout: expected a number of seconds, at least 0, got {timeout!r}$"):
        check_timeout(timeout)
