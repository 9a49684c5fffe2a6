"""The totals of all threads that run the same function."""

from __future__ import annotations

from typing import Final

from .._base.atomic import Counter
from .._base.buckets import bucket_index
from .._rows import TargetRow
from ._histogram import HistogramCounts
from ._runtime import accumulator, note_cap, on_reset, settle

MAX_TARGETS: Final = 1000


class Target:
    """All threads of one target function."""

    __slots__ = ("cpu_time_ns", "finished", "lifetime", "name", "start_delay", "started")

    def __init__(self, name: str) -> None:
        self.name = name
        self.started = Counter()
        self.zero()

    def zero(self) -> None:
        """Forget everything that was counted."""
        self.started.reset()
        self.finished = 0
        self.start_delay = HistogramCounts()
        self.lifetime = HistogramCounts()
        self.cpu_time_ns = 0

    def read(self) -> TargetRow:
        """The row of this target."""
        return TargetRow(
            target=self.name,
            started=self.started.value,
            finished=self.finished,
            start_delay=self.start_delay.read(),
            lifetime=self.lifetime.read(),
            cpu_time_ns=self.cpu_time_ns,
        )


_targets: dict[str, Target] = {}


def target_named(name: str) -> Target:
    """The target of that name, `other` if there are too many."""
    target = _targets.get(name)
    if target is None:
        if len(_targets) >= MAX_TARGETS:
            note_cap()
            name = "other"
        target = _targets.setdefault(name, Target(name))
    return target


def _fold(finished: tuple[Target, int, int, int]) -> None:
    target, start_delay, lifetime, cpu_time = finished
    delay_bucket, lifetime_bucket = bucket_index(start_delay), bucket_index(lifetime)
    target.start_delay.put(start_delay, delay_bucket)
    target.lifetime.put(lifetime, lifetime_bucket)
    target.finished += 1
    target.cpu_time_ns += cpu_time


finished_threads = accumulator(_fold)


def read_threads() -> list[TargetRow]:
    """One row per target of which a thread was started."""
    settle()
    return [target.read() for target in list(_targets.values()) if target.started.value]


@on_reset
def _zero() -> None:
    for target in list(_targets.values()):
        target.zero()
