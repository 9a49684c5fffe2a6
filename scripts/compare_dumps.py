"""Owners of waits as `thread dump` names them, and as other tools do that look at a process from outside.

usage: compare_dumps.py [--python PYTHON]... [--write docs/dump.md]

Each program of `tests/remote/planted.py` in the table runs under each Python. For `thread dump` the owners of each wait
are compared with the true ones. py-spy and pystack, where they are installed, are asked for the same process; an owner
counts as named if the part of their output about the waiting thread has its name or id in it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "support")]

from planted_programs import PlantedProgram, planted, thread  # noqa: E402

if TYPE_CHECKING:
    from thread._remote.views import Dump

CASES: Final[dict[str, tuple[str, dict[str, set[str]]]]] = {
    "two locks by `with`, deadlock": ("two_locks_by_with", {"transfer": {"audit"}, "audit": {"transfer"}}),
    "three locks, deadlock": ("three_locks", {"first": {"second"}, "second": {"third"}, "third": {"first"}}),
    "two locks by `acquire()`, deadlock": ("two_locks_by_acquire", {"transfer": {"audit"}, "audit": {"transfer"}}),
    "two RLocks, deadlock": ("two_rlocks", {"transfer": {"audit"}, "audit": {"transfer"}}),
    "two semaphores, deadlock": ("two_bounded_semaphores", {"clerk": {"courier"}, "courier": {"clerk"}}),
    "lock of a condition": ("condition_whose_lock_another_has", {"applicant": {"holder"}}),
    "full queue under a lock": ("full_queue_under_a_lock", {"client": {"producer"}}),
    "joins in a ring": ("joins_in_a_ring", {"left": {"right"}, "right": {"left"}}),
    "future under a lock": ("future_under_a_lock", {"client": {"pool_0"}, "pool_0": {"client"}}),
    "pool that waits for itself": ("pool_in_itself", {"pool_0": {"pool_0", "pool_1"}, "pool_1": {"pool_0", "pool_1"}}),
    "owner that sleeps": ("sleeping_owner", {"client": {"sleeper"}}),
    "owner that reads a socket": ("socket_under_a_lock", {"client": {"query"}}),
}
BEGIN, END = "<!-- made by scripts/compare_dumps.py -->\n", "<!-- end -->\n"
TOOLS: Final = {"py-spy": ("dump", "--pid"), "pystack": ("remote",)}
RIGHT, UNSEEN, WRONG = "right", "not visible", "**wrong**"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", default=[])
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    columns: dict[str, dict[str, str]] = {}
    others: dict[str, dict[str, set[str]]] = {tool: {} for tool in TOOLS if shutil.which(tool)}
    for python in options.python or [sys.executable]:
        os.environ["PLANTED_PYTHON"] = python
        for title, (name, truth) in CASES.items():
            with planted(name) as program:
                dump = program.dump_when(lambda dump: all(_waits(dump, waiter) for waiter in truth))  # noqa: B023
                columns.setdefault(dump.python, {})[title] = _verdict(dump, truth)
                for tool, verdicts in others.items():
                    verdicts.setdefault(title, set()).add(_verdict_on(tool, program, dump, truth))
    columns.update({tool: {title: ", ".join(sorted(each[title])) for title in CASES} for tool, each in others.items()})
    table = "".join(_table(columns))
    print(table, end="")
    if options.write:
        text = options.write.read_text()
        pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
        options.write.write_text(re.sub(pattern, lambda _: f"{BEGIN}\n{table}\n{END}", text, flags=re.DOTALL))


def _waits(dump: Dump, name: str) -> bool:
    found = thread(dump, name)
    return bool(found and found.wait and found.wait.kind in ("lock", "rlock", "semaphore", "join", "future"))


def _verdict(dump: Dump, truth: dict[str, set[str]]) -> str:
    named = {}
    for waiter in truth:
        found = thread(dump, waiter)
        named[waiter] = {owner.thread for owner in found.wait.owners} if found and found.wait else set()
    if any(named[waiter] - owners for waiter, owners in truth.items()):
        return WRONG
    return RIGHT if named == truth else UNSEEN


def _verdict_on(tool: str, program: PlantedProgram, dump: Dump, truth: dict[str, set[str]]) -> str:
    done = subprocess.run([tool, *TOOLS[tool], str(program.pid)], capture_output=True, text=True, timeout=60)
    if done.returncode:
        return "cannot read it"
    ids = {each.name: {str(each.native_id), hex(each.ident)} for each in dump.threads}
    parts = re.split(r"^(?=Thread |Traceback for thread )", done.stdout, flags=re.MULTILINE)
    for waiter, owners in truth.items():
        own = [part for part in parts if _mentions(part.split("\n")[0], ids[waiter] | {f'"{waiter}"'})]
        wanted = {word for owner in owners - {waiter} for word in ids[owner] | {f'"{owner}"'}}
        if not any(_mentions(part, wanted) for part in own):
            return UNSEEN
    return RIGHT


def _mentions(text: str, words: Iterable[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in words)


def _table(columns: dict[str, dict[str, str]]) -> Iterable[str]:
    yield f"| planted | {' | '.join(columns)} |\n"
    yield f"|---|{'---|' * len(columns)}\n"
    for title in CASES:
        yield f"| {title} | {' | '.join(column[title] for column in columns.values())} |\n"


if __name__ == "__main__":
    main()
