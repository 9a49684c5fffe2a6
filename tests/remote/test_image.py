"""Symbols of images: by the dynamic section in memory, and by the file where a program exports none."""

from __future__ import annotations

import ctypes
import os
import sys

import pytest

from thread._remote.interpreter.image import ImageSymbols, section_address
from thread._remote.interpreter.runtime import find_runtime
from thread._remote.kernel.memory import PagedMemory
from thread._remote.kernel.process import LiveProcess

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="another process is read on Linux only")


def test_a_symbol_is_where_the_loader_says() -> None:
    process = LiveProcess(os.getpid())
    memory = PagedMemory(process.memory)
    found = {ImageSymbols(memory, image.base).address("_PyRuntime") for image in process.images()} - {0}
    assert found == {ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))}


def test_a_program_that_exports_nothing_has_its_section(monkeypatch: pytest.MonkeyPatch) -> None:
    process = LiveProcess(os.getpid())
    known = find_runtime(process)
    symbols = ImageSymbols.address
    monkeypatch.setattr(ImageSymbols, "address", lambda self, name: 0 if name == "_PyRuntime" else symbols(self, name))
    images = [image for image in process.images() if "python" in image.path]
    files = [file for image in images if (file := process.open_image(image))]
    if not any(section_address(file, ".PyRuntime") for file in files):
        pytest.skip("this interpreter was built without the section")
    assert find_runtime(process).address == known.address


@pytest.mark.parametrize("file", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + bytes(100), b"\x7fELF\x02\x01" + b"\xff" * 100])
def test_a_file_that_is_no_image_has_no_sections(file: bytes) -> None:
    assert section_address(file, ".PyRuntime") == 0
