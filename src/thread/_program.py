"""Executes a program in this process so that neither it nor who reads its output can tell that `python` did not."""

from __future__ import annotations

import builtins
import io
import os
import pkgutil
import runpy
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader
from importlib.util import MAGIC_NUMBER
from types import CodeType, ModuleType, TracebackType
from typing import Any, cast


class ProgramNotFoundError(Exception):
    """There is nothing to execute; the message is what `python` says."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that was found and has not begun."""

    arguments: list[str]
    """What it sees as `sys.argv`."""
    search_path: str | None
    """What comes first in `sys.path`; None for nothing of its own."""
    run: Callable[[], object]
    module: str | None = None
    """Its name, if it was found by that."""


def script(path: str, arguments: Sequence[str]) -> Program:
    """The program in a file, or that of a folder or zip file with a `__main__.py`.

    Raises ProgramNotFoundError if the file cannot be read.
    """
    location = os.path.join(os.getcwd(), path)
    if pkgutil.get_importer(location) is not None:
        return Program([path, *arguments], location, lambda: _run_module("__main__", set_argv=False))
    try:
        with io.open_code(location) as file:
            code = file.read()
    except OSError as error:
        raise ProgramNotFoundError(
            f"{sys.orig_argv[0]}: can't open file {location!r}: [Errno {error.errno}] {error.strerror}"
        ) from None
    folder = os.path.dirname(os.path.realpath(location))
    return Program([path, *arguments], None if sys.flags.safe_path else folder, lambda: _run_code(location, code))


def module(name: str, arguments: Sequence[str]) -> Program:
    """The program that is a module, as for `python -m`. Whether it exists shows when it is executed."""
    folder = None if sys.flags.safe_path else os.getcwd()
    return Program(["-m", *arguments], folder, lambda: _run_module(name), name)


def execute(program: Program, imported: Iterable[str] = ()) -> None:
    """Execute it as `__main__`, which it stays until the interpreter ends, for the threads and handlers left then.

    `imported` are the modules that `python` would not have imported yet. Raises whatever the program raises. That must
    reach the interpreter, which reports it, or exits, as for any program.
    """
    sys.argv[:] = program.arguments
    if program.search_path is not None:
        sys.path.insert(0, program.search_path)
    for name in _in_the_way(program, imported):
        sys.modules.pop(name, None)
    sys.modules["__main__"] = _new_main()
    try:
        program.run()
    except SystemExit:
        raise
    except BaseException:
        # Not before, since what the program puts there is what has to be called in the end.
        if hasattr(sys, "excepthook"):
            sys.excepthook = _without_our_frames(sys.excepthook)
        raise


def _in_the_way(program: Program, imported: Iterable[str]) -> list[str]:
    """The modules that the program would find elsewhere, or is itself. Whoever has imported them keeps them."""
    folder = program.search_path or os.devnull
    try:
        own = {file.partition(".")[0] for file in os.listdir(folder)}
    except OSError:
        own = set()
    return [
        name
        for name in imported
        if name == program.module
        or (name.partition(".")[0] in own and not _file_of(name).startswith(os.path.join(folder, "")))
    ]


def _file_of(module: str) -> str:
    return getattr(sys.modules[module], "__file__", None) or ""


def _new_main() -> ModuleType:
    main: Any = ModuleType("__main__")
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    main.__builtins__ = builtins
    main.__loader__ = BuiltinImporter
    return main  # type: ignore[no-any-return]


def _run_code(location: str, code: bytes) -> None:
    main: Any = sys.modules["__main__"]
    main.__file__ = location
    if sys.version_info < (3, 15):
        main.__cached__ = None
    if code.startswith(MAGIC_NUMBER):
        main.__loader__ = loader = SourcelessFileLoader("__main__", location)
        exec(cast("CodeType", loader.get_code("__main__")), vars(main))
    else:
        main.__loader__ = SourceFileLoader("__main__", location)
        exec(compile(code, location, "exec", dont_inherit=True), vars(main))


def _run_module(name: str, *, set_argv: bool = True) -> None:
    # What the interpreter itself calls. The public functions of `runpy` put the former `__main__` back when the
    # program's first thread is done, and say other things when there is no such module.
    runpy._run_module_as_main(name, set_argv)  # type: ignore[attr-defined]


ExceptHook = Callable[[type[BaseException], BaseException, TracebackType | None], object]


def _without_our_frames(hook: ExceptHook) -> ExceptHook:
    def excepthook(kind: type[BaseException], value: BaseException, traceback: TracebackType | None) -> None:
        sys.excepthook = hook
        value.__traceback__ = sys.last_traceback = _beyond_this_file(traceback)
        try:
            hook(kind, value, value.__traceback__)
        except SystemExit:
            raise
        except BaseException as failure:
            # Reported here for the same reason as above, in the words of the interpreter.
            failure.__traceback__ = _beyond_this_file(failure.__traceback__)
            sys.stderr.write("Error in sys.excepthook:\n")
            sys.__excepthook__(type(failure), failure, failure.__traceback__)
            sys.stderr.write("\nOriginal exception was:\n")
            sys.__excepthook__(kind, value, value.__traceback__)

    return excepthook


def _beyond_this_file(traceback: TracebackType | None) -> TracebackType | None:
    while traceback is not None and traceback.tb_frame.f_code.co_filename != __file__:
        traceback = traceback.tb_next
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    return traceback
