"""Python objects in the memory of another process. Everything is bounded, whatever stands there."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from ..kernel.memory import PagedMemory, UnreadableMemoryError
from ..layout.fields import Layout

_MOST_ITEMS: Final = 20_000
_LONGEST_TEXT: Final = 4_096
_INLINE_VALUES, _MANAGED_DICT, _HEAP_TYPE = 1 << 2, 1 << 4, 1 << 9
_DEQUE_BLOCK: Final = 64
_GENERAL: Final = 0
"""Kind of keys that may be of any type."""


class Objects:
    """Reader of objects, for one look at a process. Raises UnreadableMemoryError where nothing sensible stands."""

    def __init__(self, memory: PagedMemory, layout: Layout) -> None:
        self.memory = memory
        self.layout = layout
        self._type_names: dict[int, str] = {}
        self._texts: dict[int, str] = {}
        self._keys: dict[int, dict[str, int]] = {}

    def type_of(self, obj: int) -> int:
        return self.memory.word(obj + self.layout.object_type)

    def type_name(self, obj: int) -> str:
        """Return the name of an object's type: with its module for one in C, without for a class in Python."""
        kind = self.type_of(obj)
        name = self._type_names.get(kind)
        if name is None:
            name = self.memory.text(self.memory.word(kind + self.layout.type_name), 128)
            self._type_names[kind] = name
        return name

    def text(self, obj: int) -> str:
        """Return a string, cut off where it is very long."""
        text = self._texts.get(obj)
        if text is None:
            text = self._texts[obj] = self._read_text(obj)
        return text

    def _read_text(self, obj: int) -> str:
        layout, memory = self.layout, self.memory
        if self.type_name(obj) != "str":
            raise UnreadableMemoryError(f"no str at {obj:#x}")
        length = min(memory.word(obj + layout.str_length), _LONGEST_TEXT)
        state = memory.int32(obj + layout.str_state) >> layout.str_kind_shift
        kind, compact, ascii_only = state & 7, state >> 3 & 1, state >> 4 & 1
        encoding = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}.get(kind)
        if encoding is None:
            raise UnreadableMemoryError(f"no str at {obj:#x}")
        if compact:
            data = obj + (layout.str_ascii_data if ascii_only else layout.str_data)
        else:
            data = memory.word(obj + layout.str_data)
        return memory.read(data, length * kind).decode(encoding, "replace")

    def integer(self, obj: int) -> int:
        """Return a number that is not negative and fits into 90 bits; -1 for any other."""
        layout, memory = self.layout, self.memory
        if self.type_name(obj) not in ("int", "bool"):
            return -1
        size = memory.signed(obj + layout.int_size)
        if layout.version >= (3, 12):
            if size & 3 == 2:
                return -1
            size = 0 if size & 3 == 1 else size >> 3
        if not 0 <= size <= 3:
            return -1
        digits = struct.unpack(f"<{size}I", memory.read(obj + layout.int_digits, 4 * size))
        return sum(digit << 30 * place for place, digit in enumerate(digits))

    def tuple_items(self, obj: int) -> tuple[int, ...]:
        size = self._size(obj)
        return self._words(obj + self.layout.tuple_items, size)

    def list_items(self, obj: int) -> tuple[int, ...]:
        size = self._size(obj)
        return self._words(self.memory.word(obj + self.layout.list_items), size)

    def bytes_of(self, obj: int, limit: int = 1 << 20) -> bytes:
        return self.memory.read(obj + self.layout.bytes_data, min(self.memory.word(obj + self.layout.var_size), limit))

    def deque_items(self, obj: int) -> Iterator[int]:
        """Yield what lies in a `collections.deque`, the oldest first."""
        if not obj or self.type_name(obj) != "collections.deque":
            return
        fields = obj + self.layout.var_size + 8
        block, _, index, _ = self._words(fields, 4)
        for _ in range(self._size(obj)):
            if index >= _DEQUE_BLOCK:
                block, index = self.memory.word(block + 8 + 8 * _DEQUE_BLOCK), 0
            yield self.memory.word(block + 8 + 8 * index)
            index += 1

    def dict_items(self, obj: int) -> Iterator[tuple[str, int]]:
        """Yield the entries of a dict whose keys are strings."""
        values = self.memory.word(obj + self.layout.dict_values)
        keys = self.memory.word(obj + self.layout.dict_keys)
        yield from self._entries(keys, values + self.layout.values_items if values else 0)

    def dict_value(self, obj: int, name: str) -> int:
        """Return the value under a name, 0 if there is none."""
        return next((value for key, value in self.dict_items(obj) if key == name), 0)

    def attribute(self, obj: int, name: str) -> int:
        """Return the value of an attribute of the instance itself, 0 if there is none."""
        return next((value for key, value in self.attributes(obj) if key == name), 0)

    def attributes(self, obj: int) -> Iterator[tuple[str, int]]:
        """Yield the attributes that an instance has itself, properties and class attributes not among them."""
        layout, memory = self.layout, self.memory
        kind = self.type_of(obj)
        flags = memory.word(kind + layout.type_flags)
        if not flags & _MANAGED_DICT:
            offset = memory.signed(kind + layout.type_dictoffset)
            if flags & _HEAP_TYPE and 0 < offset < 1 << 16 and (found := memory.word(obj + offset)):
                yield from self.dict_items(found)
            return
        values, found = self._managed(obj, kind, flags)
        if values:
            yield from self._entries(memory.word(kind + layout.type_cached_keys), values)
        elif found:
            yield from self.dict_items(found)

    def _managed(self, obj: int, kind: int, flags: int) -> tuple[int, int]:
        """Return the addresses of the values of an instance and of its dict; one of the two is 0."""
        layout, memory = self.layout, self.memory
        found = memory.word(obj + layout.managed_dict)
        if layout.version == (3, 11):
            return memory.word(obj + layout.managed_values), found
        if layout.version == (3, 12):
            return (found + 1, 0) if found & 1 else (0, found)
        if found or not flags & _INLINE_VALUES:
            return 0, found
        values = obj + memory.word(kind + layout.type_basicsize)
        valid = memory.byte(values + 3)
        return (values + layout.values_items, 0) if valid else (0, 0)

    def _entries(self, keys: int, values: int) -> Iterator[tuple[str, int]]:
        memory, layout = self.memory, self.layout
        count = memory.word(keys + layout.keys_nentries)
        if count > _MOST_ITEMS:
            raise UnreadableMemoryError("a dict too large to be read")
        index_bytes = memory.byte(keys + layout.keys_log2_index_bytes)
        if index_bytes > 32:
            raise UnreadableMemoryError(f"no dict at {keys:#x}")
        entries = keys + layout.keys_indices + (1 << index_bytes)
        size, start = (3, 1) if memory.byte(keys + layout.keys_kind) == _GENERAL else (2, 0)
        words = self._words(entries, count * size)
        found = self._words(values, count) if values else words[start + 1 :: size]
        for key, value in zip(words[start::size], found):
            # In a dict whose keys are of any type, those that are no strings are passed over.
            if key and value and (size == 2 or self.type_name(key) == "str"):
                yield self.text(key), value

    def _size(self, obj: int) -> int:
        size = self.memory.word(obj + self.layout.var_size)
        if size > _MOST_ITEMS:
            raise UnreadableMemoryError("a sequence too large to be read")
        return size

    def _words(self, address: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}Q", self.memory.read(address, 8 * count)) if count else ()
