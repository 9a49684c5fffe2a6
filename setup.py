"""Additions to pyproject.toml: an optional C extension, a file that Python reads at its start, and an editable install
of two source roots."""

from __future__ import annotations

import os
import sys
from glob import glob
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel


def flag(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


def compile_arguments() -> list[str]:
    """Our compiler flags without those that CFLAGS sets otherwise. Ours come last on the command line and would win."""
    chosen = os.environ.get("CFLAGS", "").split()
    unless = {"-std=c11": "-std=", "-O3": "-O", "-DNDEBUG": "-UNDEBUG"}
    wanted = [ours for ours, theirs in unless.items() if not any(choice.startswith(theirs) for choice in chosen)]
    return [*wanted, "-fvisibility=hidden", "-Wall", "-Wextra"]


def extensions() -> list[Extension]:
    required = flag("THREAD_TELEMETRY_REQUIRE_EXTENSION")
    sources = sorted(glob("src/thread/_c/*.c"))
    if not sources or (sys.implementation.name != "cpython" and not required):
        return []
    return [
        Extension(
            "thread._core",
            sources=sources,
            depends=sorted(glob("src/thread/_c/*.h")),
            extra_compile_args=compile_arguments(),
            optional=not required,
        )
    ]


class BuildExt(build_ext):
    """Build the extension if possible, and say what it means if not."""

    def run(self) -> None:
        super().run()
        if not all(Path(self.get_ext_fullpath(extension.name)).exists() for extension in self.extensions):
            self.warn(
                "thread-telemetry is built WITHOUT its C core: the pure-Python core records the same and costs the "
                "program many times as much. Install a C compiler and Python's headers and build again; "
                "THREAD_TELEMETRY_REQUIRE_EXTENSION=1 makes this an error. `thread --version` names the core."
            )


STARTUP = Path("src/thread-telemetry.pth")
"""A .pth file that observes processes with THREAD_TELEMETRY in their environment. Belongs into site-packages."""


class BuildPy(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            self.copy_file(str(STARTUP), str(Path(self.build_lib, STARTUP.name)))


class SourceRoots:
    """Contents of an editable wheel: a .pth file with the roots of both packages, and the one for the start."""

    def __init__(self, name: str, roots: list[str]) -> None:
        self.name = name
        self.roots = roots

    def __call__(self, wheel: Any, files: list[str], mapping: dict[str, str]) -> None:
        wheel.writestr(f"__editable__.{self.name}.pth", "".join(f"{root}\n" for root in self.roots))
        wheel.writestr(STARTUP.name, STARTUP.read_text())

    def __enter__(self) -> SourceRoots:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class EditableWheel(editable_wheel):
    """For packages with different parents setuptools installs an import hook, which no type checker can follow."""

    def _select_strategy(self, name: str, tag: str, build_lib: Any) -> Any:
        if self.mode:
            return super()._select_strategy(name, tag, build_lib)  # type: ignore[misc]
        folders = [folder for package, folder in self.package_dir.items() if package]
        return SourceRoots(name, sorted({str(Path(folder).resolve().parent) for folder in folders}))


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildExt, "build_py": BuildPy, "editable_wheel": EditableWheel})
