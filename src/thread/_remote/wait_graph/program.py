"""The program of a look: its threads with their names, what each waits for and holds, and who could end each wait."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ..interpreter.objects import Objects
from ..kernel.memory import UnreadableMemoryError
from ..stacks.frames import Frame, Stack
from ..stacks.functions import BEGINNINGS, library_name
from ..stacks.threads import Look, ThreadState
from .holds import Hold, holds_of
from .resources import LOCK, RLOCK, Resource, is_observed, queued_items, state_of
from .waits import Wait, describe_call, wait_of

_TAKING: Final = frozenset({"acquire", "release"})


@dataclass(frozen=True, slots=True)
class Activity:
    """State of one thread: its stack, its wait, its locks."""

    state: ThreadState
    thread_object: int
    """Its `threading.Thread`, 0 if it has none that is seen."""
    wait: Wait | None
    holds: tuple[Hold, ...]
    call: str
    """Function in C that it is in, empty if in none."""

    @property
    def doing(self) -> tuple[object, ...]:
        """Place, wait and locks: believed if they are the same in two looks."""
        return self.state.place, self.wait, self.holds


@dataclass(frozen=True, slots=True)
class Enders:
    """Threads that could end a wait."""

    threads: tuple[int, ...] = ()
    """By the address of their states."""
    holds: tuple[Hold | None, ...] = ()
    """The statement with which each of them took the resource, None if that left no trace."""
    complete: bool = False
    """True if nobody else could."""
    ended: bool = False
    """True if the one who could has ended."""
    pooled: bool = False
    """True if these are the workers of a pool, any of which could."""
    doubtful: bool = False
    """True if the one who could is known by an ident alone, which it may have got from a thread that ended."""


class Program:
    """Threads of one look, with what they do."""

    def __init__(self, look: Look) -> None:
        self.objects: Objects = look.objects
        self.look = look
        self.activities = {state.address: self._activity(state) for state in look.threads}

    def _activity(self, state: ThreadState) -> Activity:
        objects, stack = self.objects, state.stack
        holds = holds_of(objects, stack)
        return Activity(state, _thread_object(stack), wait_of(objects, stack, state.task), holds, self._call(state))

    def _call(self, state: ThreadState) -> str:
        task = state.task
        if task is None or (task.system_call == () and task.state == "R"):
            return ""
        return describe_call(self.objects, state.stack)

    @cached_property
    def main_thread(self) -> int:
        """Address of the object of the main thread, 0 if it is not seen."""
        for activity in self.activities.values():
            for frame in activity.state.stack.frames:
                if library_name(frame.code).startswith("threading."):
                    try:
                        return self.objects.dict_value(frame.globals, "_main_thread")
                    except UnreadableMemoryError:
                        return 0
        return 0

    def name(self, activity: Activity, pid: int) -> str:
        """Return the name of a thread; for one that `threading` did not start, the function that it began with."""
        task = activity.state.task
        is_main = task is not None and task.tid == pid
        thread = activity.thread_object or (self.main_thread if is_main else 0)
        name = self.name_of_object(thread) or ("MainThread" if is_main else "")
        if name:
            return name
        frames = activity.state.stack.frames
        return frames[-1].code.qualname if frames else f"thread {activity.state.native_id}"

    def name_of_object(self, thread: int) -> str:
        """Return the name that a `threading.Thread` has, empty if it cannot be read."""
        try:
            name = self.objects.attribute(thread, "_name") if thread else 0
            return self.objects.text(name) if name else ""
        except UnreadableMemoryError:
            return ""

    def enders(self) -> dict[int, Enders]:
        """Return who could end the wait of each thread, as far as it can be seen."""
        wanted = {address: each.wait.resource for address, each in self.activities.items() if each.wait}
        found = {resource: self._enders(resource) for resource in set(wanted.values())}
        return {
            address: Enders() if self._was_handed(address, found[resource]) else found[resource]
            for address, resource in wanted.items()
        }

    def _was_handed(self, address: int, enders: Enders) -> bool:
        """True for a thread that owns the lock it waits for, and has no trace of taking it before.

        A lock of ours can be given to a thread that sleeps: it is the owner, and does not know yet.
        """
        wait = self.activities[address].wait
        return bool(wait and wait.polled and enders.threads == (address,) and enders.holds == (None,))

    def _enders(self, resource: Resource) -> Enders:
        try:
            if resource.kind in (LOCK, RLOCK):
                return self._owner(resource)
            if resource.kind == "semaphore":
                return self._permits(resource)
            if resource.kind == "join":
                return self._joined(resource.address)
            if resource.kind == "future":
                return self._future(resource.address)
        except UnreadableMemoryError:
            pass
        return Enders()

    def _owner(self, lock: Resource) -> Enders:
        state = state_of(self.objects, lock)
        if not state.locked:
            return Enders()
        held = self._held(lock)
        if state.owner:
            owners = [each for each in self.activities.values() if each.state.ident == state.owner]
            if not owners:
                return Enders(ended=self.look.complete and bool(state.owner))
            address = owners[0].state.address
            proved = address in held or takes_locks(owners[0].state.stack) or is_observed(self.objects, lock.address)
            sure = len(owners) == 1 and proved
            return Enders((address,), (held.get(address),), complete=sure, doubtful=not sure)
        if lock.kind == RLOCK:
            return Enders()  # Between two owners.
        # Two threads cannot both hold it: then one of the traces is of a lock that was released by other means.
        if len(held) == 1 and all(hold.sure for hold in held.values()):
            return Enders(tuple(held), tuple(held.values()), complete=True)
        return Enders()

    def _held(self, resource: Resource) -> dict[int, Hold]:
        return {
            address: hold
            for address, activity in self.activities.items()
            for hold in reversed(activity.holds)
            if hold.resource == resource
        }

    def _permits(self, semaphore: Resource) -> Enders:
        held = self._held(semaphore)
        bound = self.objects.attribute(semaphore.address, "_initial_value")
        permits = self.objects.integer(bound) if bound else -1
        taken = sum(hold.resource == semaphore for activity in self.activities.values() for hold in activity.holds)
        return Enders(tuple(held), tuple(held.values()), complete=permits == taken > 0)

    def _joined(self, thread: int) -> Enders:
        found = [a for a, each in self.activities.items() if thread and each.thread_object == thread]
        if not found and thread and thread == self.main_thread:
            found = [a for a, each in self.activities.items() if not each.thread_object][:1]
        return Enders(tuple(found), (None,) * len(found), complete=len(found) == 1)

    def _future(self, future: int) -> Enders:
        runners = self._running.get(future, ())
        if runners:
            return Enders(runners, (None,) * len(runners), complete=len(runners) == 1)
        for queue, (executor, workers) in self.pools.items():
            if future in (self._future_of(item) for item in queued_items(self.objects, queue)):
                full = self._is_full(executor, len(workers))
                return Enders(workers, (None,) * len(workers), complete=full, pooled=True)
        return Enders()

    @cached_property
    def _running(self) -> dict[int, tuple[int, ...]]:
        """Threads by the future that they are to give a result."""
        found: dict[int, tuple[int, ...]] = {}
        for address, activity in self.activities.items():
            for frame in activity.state.stack.frames:
                if library_name(frame.code) == "thread._WorkItem.run":
                    future = self._future_of(frame.local("self"))
                    found[future] = (*found.get(future, ()), address)
                    break
        found.pop(0, None)
        return found

    @cached_property
    def pools(self) -> dict[int, tuple[int, tuple[int, ...]]]:
        """Executors and their workers, by the queue of their work."""
        found: dict[int, tuple[int, tuple[int, ...]]] = {}
        for address, activity in self.activities.items():
            frame = _worker_frame(activity.state.stack)
            if frame is None:
                continue
            try:
                queue, executor = frame.local("work_queue"), self._executor(frame)
            except UnreadableMemoryError:
                continue
            if queue:
                known, workers = found.get(queue, (executor, ()))
                found[queue] = known or executor, (*workers, address)
        return found

    def _executor(self, frame: Frame) -> int:
        reference = frame.local("executor_reference")
        return self.objects.memory.word(reference + self.objects.layout.weakref_object) if reference else 0

    def _future_of(self, item: int) -> int:
        try:
            return self.objects.attribute(item, "future") if item else 0
        except UnreadableMemoryError:
            return 0

    def _is_full(self, executor: int, workers: int) -> bool:
        """True if an executor starts no further thread, whatever is submitted."""
        if not executor or self.objects.type_name(executor) != "ThreadPoolExecutor":
            return False
        most = self.objects.integer(self.objects.attribute(executor, "_max_workers"))
        return 0 < most <= workers


def takes_locks(stack: Stack) -> bool:
    """True if a function on a stack takes or releases locks by name."""
    for frame in stack.frames:
        try:
            if not _TAKING.isdisjoint(frame.code.names) and library_name(frame.code) not in BEGINNINGS:
                return True
        except UnreadableMemoryError:
            continue
    return False


def _thread_object(stack: Stack) -> int:
    for frame in reversed(stack.frames[-4:]):
        try:
            if library_name(frame.code) in BEGINNINGS and (found := frame.local("self")):
                return found
        except UnreadableMemoryError:
            continue
    return 0


def _worker_frame(stack: Stack) -> Frame | None:
    return next((frame for frame in stack.frames[-6:] if library_name(frame.code) == "thread._worker"), None)
