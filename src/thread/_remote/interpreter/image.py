"""Symbols of a program or library: from its dynamic section in memory, which stripping keeps; else from its file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap
from typing import Final

from ..kernel.memory import PagedMemory, UnreadableMemoryError

_MAGIC: Final = b"\x7fELF\x02\x01"
"""A 64-bit little-endian image."""
_LOAD, _DYNAMIC = 1, 2
_STRINGS, _SYMBOLS, _HASH, _GNU_HASH = 5, 6, 4, 0x6FFFFEF5
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_MOST: Final = 1 << 20


class ImageSymbols:
    """Addresses of symbols of one image."""

    def __init__(self, memory: PagedMemory, base: int) -> None:
        self._memory = memory
        self._bias = base
        self._tables: dict[int, int] = {}
        if memory.read(base, 6) == _MAGIC:
            self._find_tables(base)

    def _find_tables(self, base: int) -> None:
        memory = self._memory
        segments = list(_segments(memory.read(base, 64), lambda offset, size: memory.read(base + offset, size)))
        loads = [address for kind, offset, address, _ in segments if kind == _LOAD and offset == 0]
        self._bias = base - (loads[0] & ~4095 if loads else 0)
        for kind, _, address, size in segments:
            if kind == _DYNAMIC:
                for entry in range(self._bias + address, self._bias + address + min(size, 1 << 14), 16):
                    tag = memory.word(entry)
                    if tag == 0:
                        break
                    value = memory.word(entry + 8)
                    # The GNU loader puts addresses there, musl leaves offsets.
                    self._tables[tag] = value if value >= base else value + self._bias

    @property
    def bias(self) -> int:
        """Distance between the addresses that the file says and those in memory."""
        return self._bias

    def address(self, name: str) -> int:
        """Return where a symbol that others may use lies, 0 if there is none."""
        if not {_STRINGS, _SYMBOLS} <= self._tables.keys():
            return 0
        try:
            for index in self._candidates(name):
                entry = self._memory.read(self._tables[_SYMBOLS] + 24 * index, 24)
                text, _, _, section, value, _ = _SYMBOL.unpack(entry)
                if section and self._memory.text(self._tables[_STRINGS] + text, 64) == name:
                    return int(self._bias + value)
        except UnreadableMemoryError:
            pass
        return 0

    def _candidates(self, name: str) -> Iterator[int]:
        if _GNU_HASH in self._tables:
            yield from self._by_gnu_hash(name)
        elif _HASH in self._tables:
            yield from range(1, min(self._memory.int32(self._tables[_HASH] + 4), _MOST))

    def _by_gnu_hash(self, name: str) -> Iterator[int]:
        read, table = self._memory.read, self._tables[_GNU_HASH]
        buckets, first, bloom, _ = struct.unpack("<IIII", read(table, 16))
        if not buckets:
            return
        wanted = 5381
        for character in name.encode():
            wanted = (wanted * 33 + character) & 0xFFFFFFFF
        lists = table + 16 + 8 * bloom
        (index,) = struct.unpack("<I", read(lists + 4 * (wanted % buckets), 4))
        chains = lists + 4 * buckets
        for number in range(index, index + _MOST):
            if number < first:
                return
            (found,) = struct.unpack("<I", read(chains + 4 * (number - first), 4))
            if found | 1 == wanted | 1:
                yield number
            if found & 1:
                return


def _segments(header: bytes, read: object) -> Iterator[tuple[int, int, int, int]]:
    (start,) = struct.unpack_from("<Q", header, 32)
    size, count = struct.unpack_from("<HH", header, 54)
    table = read(start, min(size * count, 1 << 14))  # type: ignore[operator]
    for place in range(0, len(table) - 55, max(size, 56)):
        kind, _, offset, address, _, _, memory_size = struct.unpack_from("<IIQQQQQ", table, place)
        yield kind, offset, address, memory_size


def section_address(file: bytes | mmap, name: str) -> int:
    """Return the address that the file of an image gives to a section, 0 if it has none."""
    try:
        if file[:6] != _MAGIC:
            return 0
        (start,) = struct.unpack_from("<Q", file, 40)
        size, count, names_index = struct.unpack_from("<HHH", file, 58)
        sections = [struct.unpack_from("<IIQQQQ", file, start + size * index) for index in range(count)]
        names = sections[names_index][4]
        for text, _, _, address, _, _ in sections:
            if file[names + text : file.find(b"\0", names + text)] == name.encode():
                return int(address)
    except (struct.error, IndexError, OverflowError):
        pass
    return 0
