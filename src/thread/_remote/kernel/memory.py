"""Memory of another process, read and never written. Words are little-endian, as on every Linux that we know."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

PAGE: Final = 4096
_AHEAD: Final = 4
"""Pages read at once: what belongs together lies close together."""
_MOST_PAGES: Final = 1 << 16
"""Pages that are read in one look."""
_MOST_BYTES: Final = 1 << 29
"""Bytes that one look may ask for, those of pages that are known included: no structure makes it go on for ever."""
_LARGEST: Final = 1 << 20
"""Bytes that are read at once."""
_FEW_PAGES: Final = 1 << 13
_HIGHEST: Final = 1 << 57
"""User space ends here at the latest, with five levels of page tables."""

_WORD: Final = struct.Struct("<Q")
_INT: Final = struct.Struct("<i")


class UnreadableMemoryError(Exception):
    """Address that the process has not mapped, or more memory than one dump may read."""


class ProcessGoneError(Exception):
    """Process that ended, or runs another program, while it was read."""


class Memory(Protocol):
    """Source of bytes. What it gives may be shorter than asked for, and is never empty."""

    def read(self, address: int, size: int) -> bytes:
        """Return up to `size` bytes from `address`. Raises UnreadableMemoryError, ProcessGoneError, PermissionError."""
        ...


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class ProcessMemory:
    """Memory of a live process, by `process_vm_readv`, or by /proc/PID/mem where the kernel has no such call."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._file = -1
        self._call = getattr(ctypes.CDLL(None, use_errno=True), "process_vm_readv", None)
        if self._call is not None:
            self._call.restype = ctypes.c_ssize_t
            self._call.argtypes = (
                ctypes.c_int,
                ctypes.POINTER(_Vector),
                ctypes.c_ulong,
                ctypes.POINTER(_Vector),
                ctypes.c_ulong,
                ctypes.c_ulong,
            )

    def read(self, address: int, size: int) -> bytes:
        if not 0 < address < _HIGHEST:
            raise UnreadableMemoryError(hex(address))
        if self._call is None or self._file >= 0:
            return self._read_file(address, size)
        buffer = ctypes.create_string_buffer(size)
        here = _Vector(ctypes.addressof(buffer), size)
        there = _Vector(address, size)
        count = self._call(self._pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
        if count > 0:
            return buffer.raw[:count]
        return self._explain(ctypes.get_errno(), address, size)

    def copy_of(self, numbers: list[int]) -> PageCopy | None:
        """Prepare to read many pages by one call, None where there is no such call."""
        return PageCopy(self._pid, self._call, numbers) if self._call is not None else None

    def _explain(self, error: int, address: int, size: int) -> bytes:
        name = errno.errorcode.get(error)
        if name == "ESRCH":
            raise ProcessGoneError(f"process {self._pid} has ended")
        if name in ("ENOSYS", "EPERM", "EACCES"):
            # A filter of system calls refuses the call alone; the file then answers for the rights.
            return self._read_file(address, size)
        raise UnreadableMemoryError(hex(address))

    def _read_file(self, address: int, size: int) -> bytes:
        try:
            if self._file < 0:
                self._file = os.open(f"/proc/{self._pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
            found = os.pread(self._file, size, address)
        except (FileNotFoundError, ProcessLookupError):
            raise ProcessGoneError(f"process {self._pid} has ended") from None
        except (OSError, OverflowError) as error:
            if isinstance(error, PermissionError):
                raise
            raise UnreadableMemoryError(hex(address)) from None
        if not found:
            raise UnreadableMemoryError(hex(address))
        return found

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class PageCopy:
    """Pages of a process, read by one system call for which everything is prepared."""

    def __init__(self, pid: int, call: Callable[..., int], numbers: list[int]) -> None:
        self._numbers = numbers
        self._buffer = ctypes.create_string_buffer(PAGE * len(numbers))
        here = _Vector(ctypes.addressof(self._buffer), PAGE * len(numbers))
        there = (_Vector * len(numbers))(*(_Vector(number * PAGE, PAGE) for number in numbers))
        self._call = partial(call, pid, ctypes.byref(here), 1, there, len(numbers), 0)
        self._count = 0

    def run(self) -> None:
        """Read the pages, up to the first one that is not mapped."""
        self._count = self._call()

    def pages(self) -> dict[int, bytes]:
        """Return the pages that were read, by number."""
        view = memoryview(self._buffer).cast("B")
        whole = self._numbers[: max(self._count, 0) // PAGE]
        return {number: bytes(view[PAGE * at : PAGE * at + PAGE]) for at, number in enumerate(whole)}


class RecordedMemory:
    """Memory that was read before: pages by number. What tests read, and what `--pause` reads after it let go."""

    def __init__(self, pages: dict[int, bytes]) -> None:
        self.pages = pages

    def read(self, address: int, size: int) -> bytes:
        page = self.pages.get(address >> 12)
        found = page[address % PAGE : address % PAGE + size] if page else b""
        if not found:
            raise UnreadableMemoryError(hex(address))
        return found


class PagedMemory:
    """Words and bytes of a memory, each page of which is read once: one look, as short as possible."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._left = _MOST_PAGES
        self._bytes_left = _MOST_BYTES
        self.pages: dict[int, bytes] = {}

    def word(self, address: int) -> int:
        """Return the unsigned 64-bit number at `address`."""
        page = self.pages.get(address >> 12)
        offset = address & 4095
        if page is not None and offset <= len(page) - 8:
            return int(_WORD.unpack_from(page, offset)[0])
        return int(_WORD.unpack(self.read(address, 8))[0])

    def signed(self, address: int) -> int:
        """Return the signed 64-bit number at `address`."""
        value = self.word(address)
        return value - (1 << 64) if value >> 63 else value

    def int32(self, address: int) -> int:
        """Return the signed 32-bit number at `address`."""
        return int(_INT.unpack(self.read(address, 4))[0])

    def byte(self, address: int) -> int:
        """Return the unsigned byte at `address`."""
        return self.read(address, 1)[0]

    def read(self, address: int, size: int) -> bytes:
        """Return exactly `size` bytes. Raises UnreadableMemoryError where one of them cannot be read."""
        self._bytes_left -= size
        if not 0 < address < _HIGHEST or not 0 <= size <= _LARGEST or self._bytes_left < 0:
            raise UnreadableMemoryError(hex(address))
        page = self._page(address >> 12)
        offset = address & 4095
        if offset + size <= len(page):
            return page[offset : offset + size]
        parts = [page[offset:]]
        missing = size - len(parts[0])
        number = address >> 12
        while missing > 0:
            if len(page) < PAGE:
                raise UnreadableMemoryError(hex(address))
            number += 1
            page = self._page(number)
            parts.append(page[:missing])
            missing -= len(parts[-1])
        return b"".join(parts)

    def text(self, address: int, limit: int = 256) -> str:
        """Return the C string at `address`, cut off after `limit` bytes."""
        found = b""
        while len(found) < limit and b"\0" not in found:
            piece = min(limit - len(found), PAGE - (address + len(found)) % PAGE)
            found += self.read(address + len(found), piece)
        return found.partition(b"\0")[0].decode("utf-8", "replace")

    def _page(self, number: int) -> bytes:
        page = self.pages.get(number)
        if page is None:
            self._load(number)
            page = self.pages[number]
        return page

    def _load(self, number: int) -> None:
        if self._left <= 0:
            raise UnreadableMemoryError("more memory than one look may read")
        # In a process of thousands of threads, pages that nobody asks for would be most of all.
        ahead = _AHEAD if len(self.pages) < _FEW_PAGES else 1
        try:
            found = self._memory.read(number * PAGE, PAGE * ahead)
        except UnreadableMemoryError:
            found = self._memory.read(number * PAGE, PAGE)
        for index in range(0, len(found), PAGE):
            self.pages.setdefault(number + index // PAGE, found[index : index + PAGE])
            self._left -= 1
