"""Findings that can be told from outside: rings of waits, locks of ended threads, locks kept by threads that sleep."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Final

from ..._findings import wait_for
from ..._findings.lines import Part, first_line, ring
from ..views import FindingView
from .program import Activity, Enders
from .resources import LOCK, RLOCK, Resource

_OF_ITSELF: Final = frozenset({LOCK, RLOCK})


@dataclass(frozen=True, slots=True)
class Case:
    """Facts for the findings: who does what, who could end which wait, and the names of things."""

    activities: dict[int, Activity]
    enders: dict[int, Enders]
    names: dict[Resource, str]
    idle: dict[int, float | None]
    """Seconds for which each thread that waits has not run."""
    asleep: set[int]
    """Threads that are known not to have run between the looks."""

    def native_id(self, thread: object) -> int:
        return self.activities[thread].state.native_id  # type: ignore[index]

    def wanted(self, thread: int) -> Resource:
        wait = self.activities[thread].wait
        assert wait is not None
        return wait.resource

    def wanted_name(self, thread: int) -> str:
        resource = self.wanted(thread)
        name = self.names[resource]
        return {"join": f"the end of {name}", "future": f"the result of {name}"}.get(resource.kind, name)

    def place(self, thread: int) -> str:
        """Function and line at which a thread waits, or is."""
        activity = self.activities[thread]
        frames = activity.state.stack.frames
        if not frames:
            return "a thread without frames"
        depth = activity.wait.depth if activity.wait else 0
        return place(frames[depth].code.qualname, frames[depth].code.filename, frames[depth].line)

    def since(self, threads: list[int]) -> float | None:
        """Seconds that all these threads have slept at least; None if the kernel does not say."""
        known = [seconds for thread in threads if (seconds := self.idle.get(thread)) is not None]
        return min(known) if known and len(known) == len(threads) else None


def place(function: str, file: str, line: int | None) -> str:
    """Return a place as in `transfer (bank.py:8)`."""
    return f"{function.rpartition('<locals>.')[2]} ({file.rpartition('/')[2]}:{line if line is not None else '?'})"


def findings_of(case: Case) -> list[FindingView]:
    """Return what is wrong with a process, the worst first."""
    found = [*_rings(case), *_of_ended_threads(case), *_kept(case)]
    return sorted(found, key=lambda finding: (finding.certainty != "certain", -len(finding.victims)))


def _waits(case: Case) -> dict[Hashable, wait_for.Wait]:
    return {
        thread: wait_for.Wait(
            frozenset(case.enders[thread].threads),
            case.enders[thread].complete,
            wait.timed or not (wait.polled or thread in case.asleep),
        )
        for thread, activity in case.activities.items()
        if (wait := activity.wait) is not None and thread in case.enders
    }


def _rings(case: Case) -> Iterator[FindingView]:
    waits = _waits(case)
    sure = wait_for.stuck(waits)
    for certainty, threads in (("certain", sure), ("likely", wait_for.suspected(waits) - sure)):
        for knot in wait_for.knots(waits, threads):
            yield _ring(case, certainty, knot, wait_for.victims(waits, threads, knot))  # type: ignore[arg-type]


def _ring(case: Case, certainty: str, knot: list[int], victims: list[int]) -> FindingView:
    kinds = {case.wanted(thread).kind for thread in knot}
    if kinds == {"future"} and all(case.enders[thread].pooled for thread in knot):
        kind = "pool_waits_for_itself"
    else:
        kind = "waits_for_itself" if len(knot) == 1 else "deadlock"
    parts = [_part(case, thread, knot) for thread in knot]
    shown = ring(parts[:6]) + (f"; and {len(parts) - 6} more" if len(parts) > 6 else "")
    return _finding(case, kind, certainty, shown, knot, victims)


def _part(case: Case, thread: int, knot: list[int]) -> Part:
    wanted_by_others = {case.wanted(other) for other in knot}
    held = dict.fromkeys(hold.resource for hold in case.activities[thread].holds if hold.resource in wanted_by_others)
    # An RLock says itself who holds it, where no `with` left a trace.
    for other in knot:
        if case.wanted(other).kind in _OF_ITSELF and thread in case.enders[other].threads:
            held[case.wanted(other)] = None
    return Part(case.place(thread), [case.names[resource] for resource in held], case.wanted_name(thread))


def _of_ended_threads(case: Case) -> Iterator[FindingView]:
    waiting: dict[Resource, list[int]] = {}
    for thread, enders in case.enders.items():
        if enders.ended:
            waiting.setdefault(case.wanted(thread), []).append(thread)
    for lock, threads in waiting.items():
        said = f"{case.names[lock]} is held by a thread that ended, or stayed behind at a fork: "
        said += f"{case.place(threads[0])} wants it"
        yield _finding(case, "lock_of_ended_thread", "certain", said, threads[:1], threads[1:])


def _kept(case: Case) -> Iterator[FindingView]:
    """Locks whose owner sleeps, or waits for something that is no lock, while others want them."""
    waiting: dict[tuple[Resource, int], list[int]] = {}
    for thread, enders in case.enders.items():
        if case.wanted(thread).kind in _OF_ITSELF and enders.complete:
            waiting.setdefault((case.wanted(thread), enders.threads[0]), []).append(thread)
    for (lock, owner), threads in waiting.items():
        activity = case.activities[owner]
        reason = _why_asleep(case, owner, activity)
        if reason:
            count = f"{len(threads)} thread{'s' * (len(threads) != 1)} want{'s' * (len(threads) == 1)} it"
            said = f"{case.names[lock]} by {case.place(owner)}, which {reason}: {count}"
            yield _finding(case, "lock_held_long", "likely", said, [owner], threads)


def _why_asleep(case: Case, owner: int, activity: Activity) -> str:
    task = activity.state.task
    if activity.wait is not None:
        if owner in case.enders and case.enders[owner].threads:
            return ""  # Then that one is to blame, or all of them are.
        return f"waits for {case.wanted_name(owner)}"
    if task is not None and task.state in ("S", "D") and activity.call and task.futex == 0:
        return f"is in {activity.call}"
    return ""


def _finding(
    case: Case, kind: str, certainty: str, summary: str, threads: list[int], victims: list[int]
) -> FindingView:
    since = case.since(victims if kind == "lock_held_long" else threads)
    return FindingView(
        kind=kind,
        certainty=certainty,
        place=case.place(threads[0]),
        summary=summary,
        line=first_line(kind, certainty, since, summary),
        since=since,
        threads=tuple(map(case.native_id, threads)),
        victims=tuple(map(case.native_id, victims)),
    )
