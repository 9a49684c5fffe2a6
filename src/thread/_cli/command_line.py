"""Arguments of `python -m thread`."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from .._backend import core
from .._settings.environment import EXPORTERS_OF_RUN, exporter_names, exporters_from_environment
from .._settings.table import SETTINGS
from .._settings.variables import VARIABLES
from .._version import VERSION, python_version
from .dump import add_parser, dump

_USAGE: Final = """\
%(prog)s [--exporter NAME]... [--port N] [--host HOST] [--slow-wait MS]
           [--report FILE] [--report-format text|json]
           (SCRIPT | COMMAND | -m MODULE | -c CODE) [ARGUMENT]..."""

_DESCRIPTION: Final = """\
Run a Python program, and observe its threads and locks from before its first import. The program notices nothing: its
arguments, exit status, signals and tracebacks are the same as under python.

SCRIPT is a file, or a folder or zip file with a __main__.py. If there is no such script, PATH is searched for COMMAND:
gunicorn, flask, celery. All arguments after SCRIPT, COMMAND, MODULE or CODE belong to the program."""

_EPILOG: Final = """\
while the program runs
  http://127.0.0.1:9464/metrics is a page for Prometheus: acquisitions, contentions and waits of every lock, waiters and
  owners, threads by target function, and unhandled exceptions. [exporter prometheus]

when it ends
  A report on stderr shows contended locks and their owners, the longest waits with both stacks, the threads that ran,
  and the exceptions that ended them. [exporter console]
  A process that is killed leaves no report. SIGTERM kills a program that does not handle it.

examples
  thread run app.py --its-own options
  thread run gunicorn --threads 8 shop.wsgi
  thread run --slow-wait 50 -m http.server 8000
  thread run --exporter console --report report.txt batch.py
  thread run --report report.json --report-format json batch.py
  THREAD_TELEMETRY_PORT=9000 python -m thread run service.pyz

environment variables, used unless the command line says otherwise
"""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A parsed command line."""

    exporters: tuple[str, ...]
    demanded: bool
    """True if the command line names these exporters: then a missing one is an error."""
    options: dict[str, object]
    """Options for the exporters that know them."""
    slow_wait: float | None
    """In seconds."""
    kind: Literal["script", "module", "code"]
    program: str
    """The path of a script or the name of a command, the name of a module, or the code itself."""
    arguments: tuple[str, ...]


def parse(arguments: Sequence[str]) -> Invocation:
    """Parse the arguments of the command. Raises SystemExit after printing help or an error."""
    command, run = _parsers()
    if arguments[:1] != ["run"]:
        dump(command.parse_args(arguments))
    ours, program = _split(arguments[1:])
    options = run.parse_args(ours)
    default = exporters_from_environment(EXPORTERS_OF_RUN)
    names = exporter_names(",".join(options.exporter), default)
    if (options.report or options.report_format) and "console" not in names:
        names = (*names, "console")
    kind, program = _kind_first(program)
    if not program:
        run.error(f"expected {_EXPECTED[kind]}")
    if program[0] == "-" and kind == "script":
        run.error(f"expected {_EXPECTED[kind]}; it cannot be read from stdin")
    return Invocation(
        exporters=names,
        demanded=bool(options.exporter),
        options={name: value for name in _OPTIONS if (value := getattr(options, name)) is not None},
        slow_wait=options.slow_wait,
        kind=kind,
        program=program[0],
        arguments=tuple(program[1:]),
    )


_OPTIONS: Final = ("port", "host", "report", "report_format")
"""Options for exporters, under the names of their parameters."""

_EXPECTED: Final = {
    "script": "a program: SCRIPT, COMMAND, -m MODULE or -c CODE",
    "module": "a module after -m",
    "code": "code after -c",
}


def refuse(message: str) -> NoReturn:
    """Report an error in the arguments, and exit with the status of a usage error."""
    _parsers()[1].error(message)


def _parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    name = "python -m thread" if os.path.basename(sys.argv[0]) == "__main__.py" else "thread"
    command = argparse.ArgumentParser(name, description="Observe the threads and locks of a program.")
    command.add_argument("--version", action=_Version, nargs=0, help="print the version, the core and Python's version")
    commands = command.add_subparsers(metavar="COMMAND", required=True)
    add_parser(commands)
    run = commands.add_parser(
        "run",
        help="run a program under observation",
        usage=_USAGE,
        description=_DESCRIPTION,
        epilog=_EPILOG + "\n".join(_explained_variables()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run.add_argument(
        "--exporter",
        action="append",
        default=[],
        metavar="NAME",
        help="exporter to use instead of prometheus and console; may be repeated; none: record only",
    )
    run.add_argument("--port", type=_port, metavar="N", help="port of the metrics page; 0: any free port")
    run.add_argument("--host", metavar="HOST", help="address of the metrics page")
    run.add_argument(
        "--slow-wait",
        type=_milliseconds,
        metavar="MS",
        help="keep waits longer than this many milliseconds, with the stacks of both sides",
    )
    run.add_argument("--report", metavar="FILE", help="file of the report, instead of stderr")
    run.add_argument("--report-format", choices=("text", "json"), help="text for people (default), json for programs")
    return command, run


def _explained_variables() -> Iterator[str]:
    for variable in VARIABLES:
        if variable.is_for_programs:
            yield _aligned(variable.name, variable.help, variable.default)
    for setting in SETTINGS.values():
        default = f"{setting.default_of_variable} {setting.variable_unit}".strip()
        yield _aligned(setting.variable, setting.help, default)


def _aligned(name: str, help: str, default: str) -> str:
    text = f"  {name:<36}{help.replace('`', '')}"
    return f"{text:<{_WIDTH - len(default) - 2}}[{default}]"


_WIDTH: Final = 120


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *others: object) -> None:
        print(f"thread-telemetry {VERSION}, {core.NAME} core, Python {python_version()}")
        parser.exit()


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the arguments into our options and the program with its own; argparse would take its options for ours."""
    end = 0
    while end < len(arguments):
        argument = arguments[end]
        if argument == "--":
            return list(arguments[:end]), list(arguments[end + 1 :])
        if argument == "-" or argument.startswith(("-m", "-c")) or not argument.startswith("-"):
            break
        has_value_after_it = argument.startswith("--") and "=" not in argument and argument != "--help"
        end += 2 if has_value_after_it else 1
    return list(arguments[:end]), list(arguments[end:])


def _kind_first(program: list[str]) -> tuple[Literal["script", "module", "code"], list[str]]:
    """Kind of the program, and its arguments without `-m` or `-c`, which may stick to the next word."""
    for option, kind in _KINDS.items():
        if program and program[0].startswith(option):
            return kind, program[1:] if program[0] == option else [program[0][2:], *program[1:]]
    return "script", program


_KINDS: Final[dict[str, Literal["module", "code"]]] = {"-m": "module", "-c": "code"}


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port number from 0 to 65535, got {text!r}")
    return port


def _milliseconds(text: str) -> float:
    try:
        seconds = float(text) / 1000
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of milliseconds, at least 0, got {text!r}")
    return seconds
