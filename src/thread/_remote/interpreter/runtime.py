"""Interpreter in a process: where its state lies, which version it is, how its structures are laid out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..kernel.memory import PagedMemory, UnreadableMemoryError
from ..kernel.process import Image, Process
from ..layout.fields import Layout
from ..layout.published import published_layout
from ..layout.tables import NEWEST, layout_of
from .image import ImageSymbols, section_address

_FIRST_THREADS: Final = 100


class NoInterpreterError(Exception):
    """Process in which no interpreter was found that we can read."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """State of the interpreter, and how to read it."""

    address: int
    layout: Layout
    release: str
    """Version in full, as in 3.13.0."""


def find_runtime(process: Process) -> Runtime:
    """Find the interpreter of a process.

    Raises NoInterpreterError, and what reading its memory raises.
    """
    memory = PagedMemory(process.memory)
    problem = "no Python in this process: neither its program nor a library of it has the state of an interpreter"
    images = process.images()
    for image in images:
        for address, number, is_exported in _candidates(process, memory, image):
            try:
                found = _runtime(memory, address, number or _version_by_name(images))
                # A library can be mapped as a mere file beside the one that runs.
                if is_exported or _has_threads(process, memory, found):
                    return found
            except LookupError as error:
                problem = str(error)
            except UnreadableMemoryError:
                continue
    raise NoInterpreterError(problem)


def _candidates(process: Process, memory: PagedMemory, image: Image) -> Iterator[tuple[int, int, bool]]:
    """Addresses where an image may keep the state of an interpreter.

    Each comes with the version as a number, 0 if it is not known, and True if the image exports it by name.
    """
    try:
        symbols = ImageSymbols(memory, image.base)
        address = symbols.address("_PyRuntime")
        version = symbols.address("Py_Version")
        number = memory.word(version) if version else 0
    except UnreadableMemoryError:
        return
    if address:
        yield address, number, True
    elif "python" in image.path or image == process.images()[0]:
        # A program that exports nothing. The section of its own is there even when it is stripped.
        file = process.open_image(image)
        place = section_address(file, ".PyRuntime") if file else 0
        if place:
            yield symbols.bias + place, number, False


def _has_threads(process: Process, memory: PagedMemory, runtime: Runtime) -> bool:
    """True if one of the first threads in an interpreter's list is one that the kernel knows."""
    layout, tasks = runtime.layout, process.tasks()
    interpreter = memory.word(runtime.address + layout.runtime_interpreters)
    thread = memory.word(interpreter + layout.interpreter_threads)
    for _ in range(_FIRST_THREADS):
        if not thread or memory.word(thread + layout.thread_native_id) in tasks:
            break
        thread = memory.word(thread + layout.thread_next)
    return bool(thread)


def _version_by_name(images: tuple[Image, ...]) -> int:
    for image in images:
        found = re.search(r"python(3)\.(\d+)", image.path)
        if found:
            return int(found[1]) << 24 | int(found[2]) << 16
    return 0


def _runtime(memory: PagedMemory, address: int, number: int) -> Runtime:
    version = (number >> 24 & 0xFF, number >> 16 & 0xFF)
    if number and version < (3, 11):
        raise LookupError(f"Python {version[0]}.{version[1]} is too old: 3.11 and later can be read")
    layout = layout_of(version) if (3, 11) <= version < (3, 13) else _published(memory, address)
    release = f"{layout.version[0]}.{layout.version[1]}"
    if number & 0xFFFF:
        release += f".{number >> 8 & 0xFF}{_LEVELS.get(number >> 4 & 0xF, '')}"
        release += str(number & 0xF) if number >> 4 & 0xF in _LEVELS else ""
    return Runtime(address, layout, release)


def _published(memory: PagedMemory, address: int) -> Layout:
    try:
        return published_layout(memory, address)
    except LookupError as error:
        if "no offsets" in str(error):
            newest = f"{NEWEST[0]}.{NEWEST[1]}"
            raise LookupError(f"a Python of a version that cannot be told; 3.11 to {newest} can be read") from None
        raise


_LEVELS = {0xA: "a", 0xB: "b", 0xC: "rc"}
