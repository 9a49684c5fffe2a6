"""Threads of an interpreter, each with its frames and with what the kernel says of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..interpreter.objects import Objects
from ..interpreter.runtime import Runtime
from ..kernel.memory import PagedMemory, UnreadableMemoryError
from ..kernel.process import Process, Task
from .frames import Frames, Stack

_MOST_INTERPRETERS: Final = 1_000
_MOST_THREADS: Final = 100_000


@dataclass(frozen=True, slots=True)
class ThreadState:
    """Thread as the interpreter knows it."""

    address: int
    ident: int
    native_id: int
    task: Task | None
    """None if the kernel knows no such thread: it has ended."""
    stack: Stack

    @property
    def place(self) -> tuple[object, ...]:
        """Frames and instructions: the same as long as the thread does not move on."""
        return tuple(frame.held_back for frame in self.stack.frames)


class Look:
    """One look at a process: its threads, and readers of its objects that share what they read."""

    def __init__(self, process: Process, runtime: Runtime, before: Look | None = None) -> None:
        self.memory = PagedMemory(process.memory)
        self.layout = runtime.layout
        self.objects = Objects(self.memory, runtime.layout)
        self.frames: Frames = Frames(self.objects, before.frames if before else None)
        self.complete = True
        self.tasks = process.tasks()
        self.threads = tuple(self._threads(runtime.address))

    def _threads(self, runtime: int) -> Iterator[ThreadState]:
        layout = self.layout
        interpreters = self._list(self.memory.word(runtime + layout.runtime_interpreters), layout.interpreter_next)
        for interpreter in interpreters[:_MOST_INTERPRETERS]:
            first = self.memory.word(interpreter + layout.interpreter_threads)
            # The newest thread is the first one.
            for address in reversed(self._list(first, layout.thread_next)):
                try:
                    yield self._thread(address)
                except UnreadableMemoryError:
                    self.complete = False

    def _list(self, address: int, next_field: int) -> list[int]:
        found: dict[int, None] = {}
        try:
            while address and address not in found and len(found) < _MOST_THREADS:
                found[address] = None
                address = self.memory.word(address + next_field)
        except UnreadableMemoryError:
            found.popitem()
        if address:
            self.complete = False
        return list(found)

    def _thread(self, address: int) -> ThreadState:
        layout, memory = self.layout, self.memory
        native_id = memory.word(address + layout.thread_native_id)
        frame = memory.word(address + layout.thread_frame)
        if layout.cframe_frame >= 0 and frame:
            frame = memory.word(frame + layout.cframe_frame)
        ident = memory.word(address + layout.thread_ident)
        return ThreadState(address, ident, native_id, self.tasks.get(native_id), self.frames.stack(frame))
