"""The floors of the C core: a file knows the floors under it and nothing above, and fits in the head."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "src" / "thread" / "_c"

FLOORS = (
    ("the language", {"core", "list", "hash"}),
    ("what every file may use", {"runtime"}),
    ("reading the interpreter, counting", {"frames", "tasks", "histogram", "events"}),
    ("totals", {"identities", "targets"}),
    ("one object", {"mutex", "shares", "blame", "code_info", "spans"}),
    ("where a thread is", {"sites"}),
    ("the wait on the stack", {"blocking_sites"}),
    ("records", {"waiters", "naming", "blocking", "thread_records"}),
    ("the evidence of a wait", {"evidence"}),
    ("the contended path", {"waits"}),
    ("what both types of locks share", {"acquiring", "lock_arguments", "lock_types"}),
    ("what the program calls", {"locks", "rlocks", "semaphores", "simple_queue", "threads"}),
    ("all of them at once", {"fork", "renaming"}),
    ("the module", {"module"}),
)
"""The names of files without `.c` and `.h`, from the lowest floor to the highest."""

MOST_LINES = 500
MOST_COLUMNS = 120
MOST_LINES_OF_A_FUNCTION = 40

COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
FUNCTION = re.compile(r"^\w[\w *]*\n(\w+)\([^;{]*\)\n\{\n.*?^\}", re.M | re.S)
DECLARED = re.compile(r"^(?:extern )?[A-Z_a-z][\w ]*[ *](\w+)(?:\(|\[\]|;)", re.M)
DEFINED = re.compile(r"^(?:#define |static inline [\w ]+\*?\n|\} )(\w+)", re.M)


def files() -> list[Path]:
    return sorted([*FOLDER.glob("*.c"), *FOLDER.glob("*.h")])


def code_of(path: Path) -> str:
    """The text without comments and strings, on the same lines."""
    return COMMENT_OR_STRING.sub(lambda match: '""' + "\n" * match[0].count("\n"), path.read_text())


def included(path: Path) -> list[str]:
    return re.findall(r'^#include "(\w+)\.h"', path.read_text(), re.M)


def floor(name: str) -> int:
    for height, (_, members) in enumerate(FLOORS):
        if name in members:
            return height
    pytest.fail(f"{name}.c has no floor yet: give it one in {Path(__file__).name}")


def exported() -> Iterator[tuple[str, str]]:
    """Each name that a header declares or defines, and the name of the header."""
    for header in FOLDER.glob("*.h"):
        text = code_of(header)
        for found in (DECLARED, DEFINED):
            for name in found.findall(text):
                yield name, header.stem


def test_a_file_includes_only_headers_of_its_own_floor_or_a_lower_one() -> None:
    upward = [
        f"{path.name} includes {header}.h"
        for path in files()
        for header in included(path)
        if floor(header) > floor(path.stem)
    ]
    assert not upward


def test_no_file_includes_one_that_includes_it() -> None:
    graph: dict[str, set[str]] = {}
    for path in files():
        graph.setdefault(path.stem, set()).update(set(included(path)) - {path.stem})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" includes ".join(error.args[1]))


def test_no_file_uses_a_name_of_a_higher_floor() -> None:
    """A declaration by hand would do without the header."""
    owners = dict(exported())
    assert owners["monotonic_ns"] == "runtime" and owners["EACH_LINK"] == "list" and owners["Queue"] == "mutex"
    upward = [
        f"{path.name} uses {name} of {owners[name]}.h"
        for path in files()
        for name in sorted(set(re.findall(r"\w+", code_of(path))) & set(owners))
        if floor(owners[name]) > floor(path.stem)
    ]
    assert not upward


def test_what_a_file_shows_to_others_is_declared_in_its_own_header() -> None:
    owners = dict(exported())
    shown = [
        (path, name)
        for path in FOLDER.glob("*.c")
        for name in re.findall(r"^(?!static |NOINLINE static )\w[\w ]*\*?\n(\w+)\(", code_of(path), re.M)
    ]
    assert len(shown) > 50
    assert not [
        f"{path.name}: {name}" for path, name in shown if owners.get(name) != path.stem and path.stem != "module"
    ]


def test_the_table_of_contents_lists_every_file() -> None:
    contents = re.findall(r"\b\w+\.[ch]\b", (FOLDER / "core.h").read_text().partition("*/")[0])
    missing = [path.name for path in FOLDER.glob("*.c") if path.name not in contents]
    assert not missing
    heights = [floor(name.partition(".")[0]) for name in contents if (FOLDER / name).exists()]
    assert heights == sorted(heights, reverse=True)


def test_no_line_is_wider_than_the_others() -> None:
    wide = [
        f"{path.name}:{number}"
        for path in files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > MOST_COLUMNS
    ]
    assert not wide


def test_no_file_and_no_function_is_longer_than_a_head_can_hold() -> None:
    long_files = {path.name: len(path.read_text().splitlines()) for path in files()}
    assert not {name: lines for name, lines in long_files.items() if lines > MOST_LINES}
    lengths = {
        f"{path.name}: {match[1]}": match[0].count("\n") + 1
        for path in files()
        for match in FUNCTION.finditer(code_of(path))
    }
    assert len(lengths) > 250
    assert not {name: lines for name, lines in lengths.items() if lines > MOST_LINES_OF_A_FUNCTION}
