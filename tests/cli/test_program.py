"""`python -m thread run` beside plain `python`: what a program prints, what is printed about it, and how it ends."""

from __future__ import annotations

import py_compile
import signal
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

RUN = ("-m", "thread", "run", "--exporter", "none")


@dataclass(frozen=True)
class Outcome:
    status: int
    stdout: str
    stderr: str


def outcome(command: Sequence[str], folder: Path, stdin: str = "") -> Outcome:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, input=stdin, capture_output=True, text=True, timeout=60
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def check_same(folder: Path, program: Sequence[str], flags: Sequence[str] = (), stdin: str = "") -> Outcome:
    """Fails unless the program does under `run` exactly what it does under python."""
    expected = outcome([*flags, *program], folder, stdin)
    assert outcome([*flags, *RUN, *program], folder, stdin) == expected
    return expected


def write(folder: Path, **sources: str) -> None:
    for name, source in sources.items():
        path = folder.joinpath(*name.split("__in__")[::-1]).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source))


WHO_AM_I = """
    import sys
    print(__name__, __file__, __package__, __doc__, globals().get("__cached__", "no __cached__"))
    print(type(__loader__).__name__, getattr(__loader__, "name", None), __spec__ and (__spec__.name, __spec__.origin))
    print(__builtins__, sorted(globals()))
    print(sys.argv, sys.path, sys.modules["__main__"].__dict__ is globals(), "threading" in sys.modules)
"""

PROGRAMS = {
    "identity": WHO_AM_I,
    "evaluates its annotations": "def f(x: 1 + 1): pass\nprint(f.__annotations__)",
    "exits with a status": "import sys; sys.exit(3)",
    "exits with a message": "import sys; sys.exit('sorry')",
    "exits at once": "import os; os._exit(7)",
    "raises": """
        def inner(divisor):
            return 1 / divisor
        def outer():
            inner(0)
        outer()
        """,
    "raises from": """
        try:
            {}["missing"]
        except KeyError as error:
            raise ValueError("no such thing") from error
        """,
    "raises while it handles": """
        def handle():
            raise RuntimeError("again")
        try:
            1 / 0
        except ZeroDivisionError:
            handle()
        """,
    "raises what it caught": """
        def fail():
            raise ValueError("once")
        try:
            fail()
        except ValueError as error:
            kept = error
        raise kept
        """,
    "raises a group": """
        def failure(error):
            try:
                raise error
            except Exception as caught:
                caught.add_note("a note")
                return caught
        raise ExceptionGroup("several", [failure(ValueError(1)), failure(TypeError(2))])
        """,
    "raises a string of exits": "raise SystemExit(('a', 'tuple'))",
    "is no Python": "print('never')\nif x\n    pass\n",
    "is indented badly": "if True:\nprint(1)\n",
    "imports what is no Python": "import broken",
    "imports what is missing": "import nowhere.at.all",
    "replaces the hook": """
        import sys, traceback
        def hook(kind, value, tb):
            print("hooked", kind, value, [frame.name for frame in traceback.extract_tb(tb)])
            print(value.__traceback__ is tb, sys.last_traceback is tb, sys.excepthook is hook)
        sys.excepthook = hook
        1 / 0
        """,
    "replaces the hook by one that raises": """
        import sys
        def hook(kind, value, tb):
            raise LookupError("in the hook")
        sys.excepthook = hook
        1 / 0
        """,
    "replaces the hook by one that exits": """
        import sys
        sys.excepthook = lambda *_: sys.exit(5)
        1 / 0
        """,
    "has handlers and threads left": """
        import atexit, sys, threading
        def late(who):
            print(who, sys.modules["__main__"].late is late, __name__, sys.excepthook is sys.__excepthook__)
        atexit.register(late, "atexit")
        ended = threading.Event()
        def outlive():
            threading.main_thread().join()
            late(threading.current_thread().name)
        threading.Thread(target=outlive).start()
        raise ValueError("main ends first")
        """,
    "has a thread that raises": """
        import threading
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        print(threading.enumerate() == [threading.main_thread()], thread.name)
        """,
    "has a raw thread that raises": """
        import _thread, time
        def fail():
            raise ValueError("raw")
        _thread.start_new_thread(fail, ())
        while _thread._count():
            time.sleep(0.001)
        """,
    "is interrupted": """
        import os, signal, time
        print("before", flush=True)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
        """,
    "interrupts itself and cleans up": """
        import atexit
        atexit.register(print, "cleaned")
        raise KeyboardInterrupt("enough")
        """,
    "raises a kind of interrupt": """
        class Stop(KeyboardInterrupt):
            pass
        raise Stop
        """,
    "is terminated": """
        import os, signal
        print("before", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        """,
    "handles its termination": """
        import os, signal, sys
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
        os.kill(os.getpid(), signal.SIGTERM)
        """,
    "warns": """
        import warnings
        warnings.warn("careful")
        def deprecated():
            warnings.warn("old", DeprecationWarning, stacklevel=2)
        deprecated()
        print("\\d")
        """,
    "reads its source and stdin": """
        import inspect, pickle
        class Thing:
            "A thing."
        print(inspect.getsource(Thing), type(pickle.loads(pickle.dumps(Thing()))) is Thing)
        print(input())
        """,
    "has locks of every kind": """
        import pickle, threading, weakref
        def attempt(function):
            try:
                return function()
            except TypeError as error:
                return error
        for name in "Lock", "RLock":
            factory = getattr(threading, name)
            print(attempt(lambda: factory | None), attempt(lambda: isinstance(factory(), factory)))
            print(attempt(lambda: type("Sub", (factory,), {})), attempt(lambda: hash(factory()) and 1))
            print(attempt(lambda: pickle.dumps(factory())), attempt(lambda: weakref.ref(factory()) and 1))
            print(factory.__module__, factory.__name__, type(factory()))
        class Holder:
            new_lock = threading.Lock
        print(type(Holder().new_lock()))
        """,
    "forks": """
        import os, sys
        child = os.fork()
        if child == 0:
            sys.exit(4)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
    "starts processes": """
        import multiprocessing, os, sys
        def square(number):
            return number * number
        def leave():
            sys.exit(6)
        if __name__ == "__main__":
            for method in "fork", "spawn", "forkserver":
                context = multiprocessing.get_context(method)
                with context.Pool(1) as pool:
                    print(method, pool.map(square, [1, 2, 3]))
                process = context.Process(target=leave)
                process.start()
                process.join()
                print(process.exitcode)
        """,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, broken="def\n")
    return tmp_path


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_script_does_what_it_does_under_python(folder: Path, program: str) -> None:
    write(folder, program=PROGRAMS[program])
    check_same(folder, ["program.py", "--port", "one", "--", "-m", "two words", ""], stdin="a line\n")


@pytest.mark.parametrize("program", ["identity", "raises", "is no Python", "replaces the hook", "starts processes"])
def test_a_module_does_what_it_does_under_python(folder: Path, program: str) -> None:
    write(folder, program=PROGRAMS[program])
    check_same(folder, ["-m", "program", "--port", "one"])
    check_same(folder, ["-mprogram", "--", "-m"])


@pytest.mark.parametrize("name", ["package", "package.part", "package.__main__"])
def test_a_package_does_what_it_does_under_python(folder: Path, name: str) -> None:
    write(
        folder,
        __init____in__package="import sys; print('first', __name__, sys.argv)",
        __main____in__package=WHO_AM_I + "    from . import part",
        part__in__package=WHO_AM_I + "    print(__package__)",
    )
    check_same(folder, ["-m", name, "argument"])


NO_MODULES = "nowhere nowhere.at.all package package.nowhere program.py namespace .relative fails fails.part"


@pytest.mark.parametrize("name", NO_MODULES.split())
def test_what_is_no_module_to_run_is_refused_as_by_python(folder: Path, name: str) -> None:
    write(
        folder,
        program="print('never')",
        __init____in__package="",
        part__in__namespace="",
        __init____in__fails="1 / 0",
        part__in__fails="",
    )
    assert check_same(folder, ["-m", name]).status == 1


@pytest.mark.parametrize("path", ["nowhere.py", "./nowhere.py", "../nowhere.py", "no/where", "program.py/"])
def test_a_missing_file_is_refused_as_by_python(folder: Path, path: str) -> None:
    write(folder, program="print('never')")
    assert check_same(folder, [path]).status == 2


def test_a_script_elsewhere_has_its_own_search_path(folder: Path) -> None:
    write(folder, program__in__elsewhere=WHO_AM_I + "    import helper", helper__in__elsewhere="print('helped')")
    folder.joinpath("link.py").symlink_to(Path("elsewhere", "program.py"))
    for path in "elsewhere/program.py", "elsewhere/../elsewhere/program.py", "link.py", str(folder / "link.py"):
        assert "helped" in check_same(folder, [path]).stdout


def test_a_folder_and_a_zip_file_run_their_main(folder: Path) -> None:
    write(folder, __main____in__app=WHO_AM_I + "    import helper", helper__in__app="1 / 0")
    with zipfile.ZipFile(folder / "app.zip", "w") as archive:
        for file in (folder / "app").iterdir():
            archive.write(file, file.name)
    for path in "app", "./app/", "app.zip", str(folder / "app"):
        assert "ZeroDivisionError" in check_same(folder, [path, "argument"]).stderr
    folder.joinpath("empty").mkdir()
    assert check_same(folder, ["empty"]).status == 1


def test_a_compiled_script_runs(folder: Path) -> None:
    write(folder, program=WHO_AM_I)
    py_compile.compile(str(folder / "program.py"), cfile=str(folder / "compiled.pyc"))
    check_same(folder, ["compiled.pyc"])


@pytest.mark.parametrize("flags", [["-P"], ["-O"], ["-W", "error"], ["-X", "dev"], ["-u", "-B"]], ids=" ".join)
@pytest.mark.parametrize("program", [["program.py"], ["-m", "program"]], ids=" ".join)
def test_options_of_the_interpreter_have_their_effect(folder: Path, flags: list[str], program: list[str]) -> None:
    write(
        folder,
        program=WHO_AM_I
        + """
    import warnings
    print(__debug__, sys.flags)
    warnings.warn("careful")
    """,
    )
    check_same(folder, program, flags)


def test_what_was_imported_for_us_is_not_in_the_way_of_the_programs_own_modules(folder: Path) -> None:
    write(folder, argparse="print('mine')", program="import argparse, os; print(os.path.dirname(argparse.__file__))")
    assert check_same(folder, ["program.py"]).stdout.startswith("mine\n")


def test_a_module_that_was_imported_for_us_runs_without_a_warning(folder: Path) -> None:
    pytest.importorskip("prometheus_client")
    program = ["-m", "http.server", "--help"]
    observed = outcome(["-m", "thread", "run", "--exporter", "prometheus", "--port", "0", *program], folder)
    assert observed.stdout == outcome(program, folder).stdout
    assert "Warning" not in observed.stderr


def test_interrupting_it_from_outside_kills_it_by_that_signal(folder: Path) -> None:
    write(folder, program="import time\nwhile True: print('ready', flush=True); time.sleep(30)\n")
    ends = []
    for prefix in (), RUN:
        process = subprocess.Popen(
            [sys.executable, "-X", "no_debug_ranges", *prefix, "program.py"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        ends.append((process.communicate(timeout=30), process.returncode))
    assert ends[0] == ends[1]
    assert ends[0][1] == -signal.SIGINT
