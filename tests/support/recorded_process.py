"""Process that was recorded: what a dump read of it, so that it can be read again, changed or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thread._remote.kernel.memory import Memory
    from thread._remote.kernel.process import Image, Process, Task


class RecordingMemory:
    """Memory that keeps the pages that are read through it."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.pages: dict[int, bytes] = {}

    def read(self, address: int, size: int) -> bytes:
        from thread._remote.kernel.memory import PAGE

        found = self._memory.read(address, size)
        for start in range(0, len(found), PAGE):
            self.pages[(address + start) // PAGE] = found[start : start + PAGE]
        return found


class RecordedProcess:
    """Process as it was once."""

    def __init__(self, pid: int, pages: dict[int, bytes], tasks: dict[int, Task], images: tuple[Image, ...]) -> None:
        from thread._remote.kernel.memory import RecordedMemory

        self.pid = pid
        self.pages = pages
        self.memory: Memory = RecordedMemory(pages)
        self._tasks = tasks
        self._images = images

    def tasks(self) -> dict[int, Task]:
        return self._tasks

    def images(self) -> tuple[Image, ...]:
        return self._images

    def idle(self, task: Task) -> float | None:
        return 1.0

    def open_image(self, image: Image) -> bytes | None:
        return None

    def changed(self, changes: dict[int, bytes]) -> RecordedProcess:
        """Return the same process with other bytes at some addresses."""
        from thread._remote.kernel.memory import PAGE

        pages = dict(self.pages)
        for address, content in changes.items():
            number, offset = divmod(address, PAGE)
            page = pages[number]
            pages[number] = (page[:offset] + content + page[offset + len(content) :])[: len(page)]
        return RecordedProcess(self.pid, pages, self._tasks, self._images)


def record(process: Process) -> RecordedProcess:
    """Dump a process, and keep all that was read."""
    from thread._remote.dump import take

    memory = process.memory = RecordingMemory(process.memory)
    take(process)
    return RecordedProcess(process.pid, memory.pages, process.tasks(), process.images())
