"""C functions and wrappers as thread targets, named after the function that they run and not after their type.

`lru_cache` stands in for Cython, whose functions keep their names in the same way. Source: cython/cython#6379.
"""

import functools
import sys
import threading
from typing import Any

from thread import telemetry

telemetry.instrument()


@functools.lru_cache
def load() -> None:
    pass


@functools.lru_cache
def warm() -> None:
    pass


class Counted:
    """A decorator that is a class."""

    def __init__(self, function: Any) -> None:
        functools.update_wrapper(self, function)

    def __call__(self) -> None:
        pass


@Counted
def sweep() -> None:
    pass


class Job:
    def __call__(self) -> None:
        pass

    def run(self) -> None:
        pass

    @functools.lru_cache  # noqa: B019
    def cached(self) -> None:
        pass

    @staticmethod
    def static() -> None:
        pass


class Nameless:
    """A callable with invalid names that raises at access to other attributes."""

    __module__: Any = "__main__"
    __wrapped__: Any = property(lambda self: 1 / 0)

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __call__(self) -> None:
        pass


def enormous() -> None:
    pass


enormous.__qualname__ = "x" * 1_000_000
event = threading.Event()
targets = {
    load: "__main__:load",
    warm: "__main__:warm",
    sweep: "__main__:sweep",
    Job(): "__main__:Job",
    Job().run: "__main__:Job.run",
    functools.partial(Job().cached): "__main__:Job.cached",
    Job.static: "__main__:Job.static",
    functools.partial(functools.partial(load)): "__main__:load",
    Nameless(): "__main__:Nameless",
    event.set: "threading:Event.set",
    "text".upper: "builtins:str.upper",
    threading.get_ident: "_thread:get_ident",
    Job: "__main__:Job",
}
for target in targets:
    thread = threading.Thread(target=target, name="worker")
    thread.start()
    thread.join()
thread = threading.Thread(target=enormous)
thread.start()
thread.join()
found = {each.target for each in telemetry.snapshot().threads}
wrong = {name for name in found ^ set(targets.values()) if len(name) < 400}
print("wrong:", wrong or "nothing", "longest name:", max(map(len, found)))
sys.exit(bool(wrong) or max(map(len, found)) > 1000 or telemetry.snapshot().coverage.faults > 0)
