"""A dump of a process: looked at until two looks agree, then put into plain values."""

from __future__ import annotations

import time
from typing import Final

from .interpreter.runtime import Runtime, find_runtime
from .kernel.pause import PausedProcess, copy_while_stopped
from .kernel.process import Process, command_of
from .stacks.frames import Frame
from .stacks.threads import Look
from .views import Dump, FrameView, HoldView, OwnerView, ThreadView, WaitView
from .wait_graph.findings import Case, findings_of
from .wait_graph.naming import Names, told_apart
from .wait_graph.program import Activity, Enders, Program
from .wait_graph.resources import Resource

_LOOKS: Final = 4
"""Looks at a process in which threads keep moving."""
_MOST_FRAMES: Final = 200
"""Frames of one stack that are shown: the innermost, and of the outermost half as many."""
_STATES: Final = {"R": "runs", "S": "sleeps", "D": "sleeps", "I": "sleeps", "T": "is stopped", "t": "is stopped"}


def take(process: Process) -> Dump:
    """Read a process while it runs. Nothing of it is stopped or changed.

    Raises NoInterpreterError, ProcessGoneError, UnreadableMemoryError and PermissionError.
    """
    began = time.perf_counter()
    runtime = find_runtime(process)
    before = program = Program(Look(process, runtime))
    still: dict[int, bool] = {}
    for _ in range(_LOOKS - 1):
        program = Program(Look(process, runtime, before=before.look))
        still = still_threads(before, program)
        if len(before.activities) == len(program.activities) == len(still) and _is_settled(program, still):
            break
        before = program
    return write(process, runtime, program, still, time.perf_counter() - began, None)


def take_paused(process: Process) -> Dump:
    """Read a process that is stopped for a few milliseconds, as often as it takes to have all at one moment.

    Raises what `take` raises.
    """
    began = time.perf_counter()
    runtime = find_runtime(process)
    before = program = Program(Look(process, runtime))
    needed, longest = set(before.look.memory.pages), 0.0
    still: dict[int, bool] = {}
    for _ in range(_LOOKS):
        memory, paused = copy_while_stopped(process, needed)
        longest = max(longest, paused)
        program = Program(Look(PausedProcess(process, memory), runtime, before=before.look))
        if not memory.missing and not memory.is_torn:
            still = dict.fromkeys(program.activities, True)
            break
        needed |= memory.missing | set(program.look.memory.pages)
        still = still_threads(before, program)
        before = program
    return write(process, runtime, program, still, time.perf_counter() - began, longest)


def still_threads(before: Program, after: Program) -> dict[int, bool]:
    """Return the threads that two looks found doing the same, each with True if it did not run in between."""
    return {
        address: _has_not_run(earlier, activity)
        for address, activity in after.activities.items()
        if (earlier := before.activities.get(address)) and earlier.doing == activity.doing
    }


def _is_settled(program: Program, still: dict[int, bool]) -> bool:
    """False if a thread that waits ran in between: it may have just begun to, and the next look finds it asleep."""
    return all(still[address] or activity.wait is None for address, activity in program.activities.items())


def _has_not_run(earlier: Activity, later: Activity) -> bool:
    before, after = earlier.state.task, later.state.task
    return before is not None and after is not None and before.runs == after.runs


def write(
    process: Process, runtime: Runtime, program: Program, still: dict[int, bool], took: float, paused: float | None
) -> Dump:
    """Put into plain values what was read. Only threads in `still` are believed to hold or to want anything."""
    activities = {address: activity for address, activity in program.activities.items() if address in still}
    believed = _Believed(process, program, activities)
    threads = [_thread(process, believed, activity, still) for activity in program.activities.values()]
    asleep = {address for address, is_asleep in still.items() if is_asleep}
    findings = findings_of(Case(activities, believed.enders, believed.names, believed.idle, asleep))
    rank = {native_id: place for place, native_id in enumerate(_in_order(findings))}
    threads.sort(key=lambda thread: (rank.get(thread.native_id, len(rank)), thread.wait is None))
    return Dump(
        pid=process.pid,
        command=command_of(process.pid),
        python=runtime.release,
        free_threaded=runtime.layout.free_threaded,
        took=took,
        paused=paused,
        complete=program.look.complete,
        findings=tuple(findings),
        threads=tuple(threads),
    )


class _Believed:
    """Part of a look that is believed: the threads that stood still, who could end their waits, and names."""

    def __init__(self, process: Process, program: Program, activities: dict[int, Activity]) -> None:
        self.program = program
        self.idle = {
            address: process.idle(task)
            for address, activity in activities.items()
            if activity.wait and (task := activity.state.task)
        }
        program.activities, everything = activities, program.activities
        self.enders = program.enders()
        program.activities = everything
        self.activities = activities
        self.names = told_apart(self._names())

    def _names(self) -> dict[Resource, str]:
        around: dict[Resource, list[Activity]] = {}
        for activity in self.activities.values():
            for hold in activity.holds:
                around.setdefault(hold.resource, []).append(activity)
            if activity.wait:
                around.setdefault(activity.wait.resource, []).append(activity)
        finder = Names(self.program.objects)
        return {resource: self._name(finder, resource, threads[:8]) for resource, threads in around.items()}

    def _name(self, finder: Names, resource: Resource, around: list[Activity]) -> str:
        if resource.kind in ("join", "start of a thread"):
            return self.program.name_of_object(resource.address)
        return finder.name(resource, around)


def _in_order(findings: list) -> list[int]:  # type: ignore[type-arg]
    return list(dict.fromkeys(thread for finding in findings for thread in (*finding.threads, *finding.victims)))


def _thread(process: Process, believed: _Believed, activity: Activity, still: dict[int, bool]) -> ThreadView:
    state = activity.state
    is_still = state.address in still
    frames = state.stack.frames
    return ThreadView(
        name=believed.program.name(activity, process.pid),
        native_id=state.native_id,
        ident=state.ident,
        state=_state(activity) if is_still else "moves",
        call=activity.call if is_still else "",
        wait=_wait(process, believed, activity) if is_still else None,
        holds=tuple(
            HoldView(
                hold.resource.kind,
                believed.names[hold.resource],
                _acquired(frames[hold.depth], hold.line),
                hold.sure,
            )
            for hold in activity.holds
        )
        if is_still
        else (),
        stack=tuple(_frame(frame) for frame in _shown(frames)),
        complete=state.stack.complete and len(frames) <= _MOST_FRAMES * 3 // 2,
    )


def _state(activity: Activity) -> str:
    task = activity.state.task
    return "has ended" if task is None else _STATES.get(task.state, task.state)


def _shown(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    if len(frames) <= _MOST_FRAMES * 3 // 2:
        return frames
    return (*frames[:_MOST_FRAMES], *frames[-_MOST_FRAMES // 2 :])


def _frame(frame: Frame) -> FrameView:
    return FrameView(frame.code.qualname, frame.code.filename, frame.line)


def _acquired(frame: Frame, line: int | None) -> FrameView:
    return FrameView(frame.code.qualname, frame.code.filename, line)


def _wait(process: Process, believed: _Believed, activity: Activity) -> WaitView | None:
    wait = activity.wait
    if wait is None:
        return None
    enders = believed.enders[activity.state.address]
    return WaitView(
        kind=wait.resource.kind,
        what=believed.names[wait.resource],
        since=believed.idle.get(activity.state.address),
        timed=wait.timed,
        owners=tuple(_owners(process, believed, enders)),
        owners_seen=enders.complete or enders.ended,
    )


def _owners(process: Process, believed: _Believed, enders: Enders) -> list[OwnerView]:
    found = []
    for address, hold in zip(enders.threads, enders.holds):
        owner = believed.activities[address]
        acquired = _acquired(owner.state.stack.frames[hold.depth], hold.line) if hold else None
        name = believed.program.name(owner, process.pid)
        found.append(OwnerView(name, owner.state.native_id, acquired, sure=not enders.doubtful))
    return found
