"""Execute a program in this process as `python` would: neither the program nor its output differs."""

from __future__ import annotations

import builtins
import io
import os
import pkgutil
import runpy
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader
from importlib.util import MAGIC_NUMBER
from textwrap import dedent
from types import CodeType, ModuleType, TracebackType
from typing import Any, Final, NoReturn, cast

from .._own_modules import set_aside


class ProgramNotFoundError(Exception):
    """No program to execute; the message is `python`'s."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that was found and has not begun."""

    arguments: list[str]
    """Its `sys.argv`."""
    search_path: str | None
    """Its first entry in `sys.path`; None for no entry of its own."""
    run: Callable[[], object]
    module: str | None = None
    """Its name, if it was found by name."""


@dataclass(frozen=True, slots=True)
class ForeignProgram:
    """A command for another interpreter, or for none."""

    path: str
    arguments: list[str]

    def replace_this_process(self, environment: Mapping[str, str]) -> NoReturn:
        """Execute it instead of this process. If it is Python, with us installed, it observes itself."""
        os.execve(self.path, self.arguments, {**os.environ, **environment})


def script(path: str, arguments: Sequence[str]) -> Program:
    """The program in a file, or in the `__main__.py` of a folder or zip file.

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


def script_or_command(path: str, arguments: Sequence[str]) -> Program | ForeignProgram:
    """The script of that path; if there is none, the command of that name in PATH.

    Raises ProgramNotFoundError if there is neither.
    """
    command = None if os.path.dirname(path) or _is_script(path) else _command(path)
    if command is None:
        return script(path, arguments)
    if _is_for_this_interpreter(command):
        return script(command, arguments)
    return ForeignProgram(command, [path, *arguments])


def _command(name: str) -> str | None:
    # The commands of a virtual environment stand beside its interpreter, active or not.
    return shutil.which(name) or shutil.which(name, path=os.path.dirname(sys.executable))


def _is_script(path: str) -> bool:
    return os.path.isfile(path) or os.path.exists(os.path.join(path, "__main__.py"))


def _is_for_this_interpreter(command: str) -> bool:
    """True for a command that pip has put beside the interpreter: a script in Python."""
    if os.path.realpath(os.path.dirname(command)) != os.path.realpath(os.path.dirname(sys.executable)):
        return False
    with open(command, "rb") as file:
        beginning = file.read(1024)
    return beginning.startswith(b"#!") and b"python" in b"".join(beginning.splitlines()[:2])


def code(text: str, arguments: Sequence[str]) -> Program:
    """The program given as text, as for `python -c`."""
    return Program(["-c", *arguments], None if sys.flags.safe_path else "", lambda: _run_text(text))


def module(name: str, arguments: Sequence[str]) -> Program:
    """The program in a module, as for `python -m`. Its execution shows whether the module exists."""
    folder = None if sys.flags.safe_path else os.getcwd()
    return Program(["-m", *arguments], folder, lambda: _run_module(name), name)


def execute(program: Program) -> None:
    """Execute it as `__main__`, which it stays until the interpreter ends, for the threads and handlers left then.

    Raises whatever the program raises. That must reach the interpreter, which reports it, or exits, as for any program.
    """
    sys.argv[:] = program.arguments
    if program.search_path is not None:
        sys.path.insert(0, program.search_path)
    set_aside(_imported_since_the_start())
    sys.modules["__main__"] = _new_main()
    try:
        program.run()
    except SystemExit:
        raise
    except BaseException:
        # Not before, since the program's own value is the one to call in the end.
        if hasattr(sys, "excepthook"):
            sys.excepthook = _without_our_frames(sys.excepthook)
        raise


_FIRST: Final = ("thread", "runpy", "re", "_thread_telemetry_start")
"""Modules that are imported first for `python -m thread`, or for the command `thread`, and not for a program."""


def _imported_since_the_start() -> list[str]:
    names = list(sys.modules)
    return names[min(names.index(name) for name in _FIRST if name in names) :]


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


def _run_text(text: str) -> None:
    main: Any = sys.modules["__main__"]
    if sys.version_info >= (3, 14):
        text = dedent(text)
    compiled = compile(text, "<string>", "exec", dont_inherit=True)
    if sys.version_info >= (3, 13):
        import linecache

        # With that, tracebacks show its lines, as those of `python -c` do.
        linecache._register_code(compiled if sys.version_info >= (3, 14) else "<string>", text, "<string>")  # type: ignore[attr-defined]
    exec(compiled, vars(main))


def _run_module(name: str, *, set_argv: bool = True) -> None:
    # The interpreter itself calls this. The public functions of `runpy` restore the former `__main__` when the
    # program's first thread is done, and print other messages for a missing module.
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
