"""Failed tasks: nothing keeps their futures alive, and unread exceptions are counted exactly and described once each.

An exception that is read is not described, so its `__str__` is not called. A falsy exception counts like any other,
as far as the interpreter itself handles it.
"""

import gc
import sys
import weakref
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from thread import telemetry

telemetry.instrument()
gc.disable()
spoken: list[str] = []


class NotFound(Exception):
    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        spoken.append(self.name)
        return f"no {self.name}"


class Falsy(Exception):
    def __bool__(self) -> bool:
        return False


def fail(name: str) -> None:
    raise NotFound(name)


def fail_falsely() -> None:
    raise Falsy


def fail_deeply(depth: int) -> None:
    if depth:
        fail_deeply(depth - 1)
    raise NotFound("bottom")


def unread(name: str) -> int:
    [row] = [each for each in telemetry.snapshot().executors if each.name == name]
    return row.unread_exceptions


wrong: list[str] = []


def check(what: str, found: object, expected: object) -> None:
    if found != expected:
        wrong.append(f"{what}: {found}, not {expected}")


sys.setrecursionlimit(5000)
with ThreadPoolExecutor(2, "reads") as pool:
    for _ in range(50):
        try:
            pool.submit(fail, "shelf").result()
        except NotFound:
            pass
        assert pool.submit(fail, "shelf").exception() is not None
    assert type(pool.submit(fail_falsely).exception()) is Falsy
    if sys.version_info >= (3, 14):
        try:
            pool.submit(fail_falsely).result()
        except Falsy:
            pass
gc.collect()
check("read", unread("reads"), 0)
check("spoken of what was read", len(spoken), 0)

references = []
with ThreadPoolExecutor(2, "drops") as pool:
    for _ in range(50):
        dropped: Future[Any] = pool.submit(fail, "book")
        references.append(weakref.ref(dropped))
        wait([dropped])
        del dropped
check("alive", sum(reference() is not None for reference in references), 0)
check("unread", unread("drops"), 50)
check("spoken of what was dropped", spoken, ["book"] * 50)

spoken.clear()
with ThreadPoolExecutor(1, "deep") as pool:
    wait([pool.submit(fail_deeply, 3000)])
gc.collect()
rows = {(each.target, each.count) for each in telemetry.snapshot().exceptions}
check("rows", rows, {("__main__:fail", 50), ("__main__:fail_deeply", 1)})
[deep] = [each for each in telemetry.snapshot().exceptions if each.target == "__main__:fail_deeply"]
check("frames", deep.last_traceback.count("in fail_deeply") < 100, True)
check("text", deep.last_traceback.endswith("NotFound: no bottom\n"), True)
check("spoken at the bottom", spoken, ["bottom"])
check("faults", telemetry.snapshot().coverage.faults, 0)
print("wrong:", wrong or "nothing")
sys.exit(bool(wrong))
