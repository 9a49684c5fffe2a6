"""Waits: for a lock, from the call that the innermost frame is in; for anything else, from the library's own frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..interpreter.objects import Objects
from ..kernel.memory import UnreadableMemoryError
from ..kernel.process import Task
from ..stacks.frames import Call, Frame, Stack
from ..stacks.functions import BEGINNINGS, function_name, library_name
from .resources import Resource, is_observed, is_slept_on, lock_at

_KINDS: Final = {
    "threading.Condition.wait": "condition",
    "threading.Condition.wait_for": "condition",
    "threading.Event.wait": "event",
    "threading.Semaphore.acquire": "semaphore",
    "threading.Barrier.wait": "barrier",
    "threading.Thread.join": "join",
    "threading.Thread.start": "start of a thread",
    "queue.Queue.get": "queue.get",
    "queue.Queue.put": "queue.put",
    "queue.Queue.join": "queue.join",
    "queue._PySimpleQueue.get": "queue.get",
    "_base.Future.result": "future",
    "_base.Future.exception": "future",
    "_base.wait": "futures",
    "_base.as_completed": "futures",
    "thread._worker": "work",
    "threading._shutdown": "exit",
    "ours._acquire_contended": "semaphore",
}
"""Functions of the library that wait, and for what. Of several on one stack, the outermost counts."""

_WAITING_CALLS: Final = {"SimpleQueue.get": "queue.get", "_ThreadHandle.join": "join", "_shutdown": "exit"}
"""Functions in C that wait, by name."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait in progress."""

    resource: Resource
    depth: int
    """Number of the frame that waits, the library's own passed over."""
    timed: bool
    """True if it ends by itself, or that cannot be told."""
    seen: bool
    """True if the kernel confirms that the thread sleeps, and where."""
    polled: bool = False
    """True if the thread looks again now and then, as one does that waits for a lock of ours."""


def wait_of(objects: Objects, stack: Stack, task: Task | None) -> Wait | None:
    """Return what a thread waits for, None if nothing or nothing that can be told."""
    if task is None or not stack.frames or task.futex == 0:
        return None
    try:
        return _wait(objects, stack, task)
    except UnreadableMemoryError:
        return None


def _wait(objects: Objects, stack: Stack, task: Task) -> Wait | None:
    top = stack.frames[0]
    call = top.call
    if call is None or not call.instance:
        return None
    kind = _WAITING_CALLS.get(function_name(objects, call))
    lock = lock_at(objects, call.instance)
    if task.futex and (lock or kind == "queue.get") and not is_slept_on(objects, call.instance, task.futex):
        return None  # It has what it called for, and waits for the interpreter to let it run on.
    if lock is not None and _is_bookkeeping(objects, top, lock):
        lock, kind = None, "library"
    if lock is None and kind is None:
        return None
    resource, depth = _by_library(stack, lock)
    if resource is None:
        resource = lock or Resource(kind or "", call.instance)
    polled = kind == "library" and library_name(top.code).startswith("ours.")
    timed = task.has_time_limit or task.futex is None
    if lock is not None and is_observed(objects, lock.address):
        polled, timed = True, call.arguments != 0
    elif polled:
        timed = not _waits_without_limit(objects, stack)
    return Wait(resource, depth, timed, task.futex is not None, polled)


def _waits_without_limit(objects: Objects, stack: Stack) -> bool:
    """True if a semaphore that we observe is waited for without a time limit."""
    frames = (frame for frame in stack.frames if library_name(frame.code) == "ours._acquire_contended")
    limit = next((frame.local("timeout") for frame in frames), 0)
    return bool(limit) and objects.type_name(limit) == "NoneType"


def _is_bookkeeping(objects: Objects, top: Frame, lock: Resource) -> bool:
    """True if a lock is one that the library makes for one wait."""
    name = library_name(top.code)
    if name in ("threading.Condition.wait", "ours._sleep_until_told"):
        return top.local("waiter") == lock.address
    return name in ("threading.Thread._wait_for_tstate_lock", "threading.Thread.join", "threading._shutdown")


def _by_library(stack: Stack, lock: Resource | None) -> tuple[Resource | None, int]:
    """Find the object that the outermost function of the library waits for, and the first frame of somebody else."""
    found: Resource | None = None
    depth = 0
    for number, frame in enumerate(stack.frames):
        name = library_name(frame.code)
        if not name or name in BEGINNINGS:
            break
        kind = _KINDS.get(name)
        if kind is not None and lock is None:
            found = Resource(kind, _object_of(frame, kind))
        depth = number + 1
    return found, min(depth, len(stack.frames) - 1)


def _object_of(frame: Frame, kind: str) -> int:
    if kind == "work":
        return frame.local("work_queue")
    return frame.local("self") or frame.local("semaphore")


def describe_call(objects: Objects, stack: Stack) -> str:
    """Return the name of the function in C that a thread is in, empty if it is in none that can be told."""
    try:
        call: Call | None = stack.frames[0].call if stack.frames else None
        return function_name(objects, call) if call and call.function else ""
    except UnreadableMemoryError:
        return ""
