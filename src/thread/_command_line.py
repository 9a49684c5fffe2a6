"""What can be said to `python -m thread`."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

DEFAULT_EXPORTERS: Final = ("prometheus", "console")

_USAGE: Final = """\
%(prog)s [--exporter NAME]... [--port N] [--host HOST] [--slow-wait MS]
           (SCRIPT | -m MODULE) [ARGUMENT]..."""

_DESCRIPTION: Final = """\
Run a Python program with its threads and locks observed, from before its first import. The program notices nothing:
its arguments, exit status, signals and tracebacks are those that it has under python.

SCRIPT is a file, or a folder or zip file with a __main__.py. Whatever follows it, or MODULE, belongs to the program."""

_EPILOG: Final = """\
while the program runs
  http://127.0.0.1:9464/metrics is a page for Prometheus: every lock with its acquisitions, contentions and waits, who
  waited for whom, every thread by its target function, and unhandled exceptions. [exporter prometheus]

when it has ended
  A report is written to stderr: which locks were waited for and who held them, the longest waits with both stacks,
  which threads ran, and which died of what. [exporter console]
  There is none when the process is killed, as SIGTERM does to a program that does not handle it.

examples
  thread run app.py --its-own options
  thread run --slow-wait 50 -m http.server 8000
  thread run --exporter console batch.py 2>report.txt
  THREAD_TELEMETRY_PORT=9000 python -m thread run service.pyz

environment variables, for what is not said on the command line
  THREAD_TELEMETRY_EXPORTERS        exporters, separated by commas                                  [prometheus,console]
  THREAD_TELEMETRY_PORT             where the metrics page is served, 0: on any free port                      [9464]
  THREAD_TELEMETRY_HOST             the address that it is served on, 0.0.0.0: on all                     [127.0.0.1]
  THREAD_TELEMETRY_SLOW_WAIT_MS     a wait of more milliseconds is kept with the stacks of both sides            [10]
  THREAD_TELEMETRY_HOLD_SAMPLING    one acquisition in so many has its hold timed, 0: none                       [64]
  THREAD_TELEMETRY_EXPORT_INTERVAL  seconds between two exports                                                  [10]
  THREAD_TELEMETRY_EXPORT_TIMEOUT   seconds after which an exporter counts as hung                                [5]
  THREAD_TELEMETRY_EVENT_CAPACITY   events kept until they are exported                                        [4096]
  THREAD_TELEMETRY_STACK_DEPTH      frames kept of each stack                                                    [64]
  THREAD_TELEMETRY_PURE             1: use the core written in Python, not the one in C"""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What was asked for."""

    exporters: tuple[str, ...]
    by_default: bool
    """Whether nobody asked for these exporters in particular."""
    options: dict[str, object]
    """For exporters that know them."""
    slow_wait: float | None
    """In seconds."""
    module: bool
    """Whether the program is a module."""
    program: str
    arguments: tuple[str, ...]


def parse(arguments: Sequence[str]) -> Invocation:
    """Understand the arguments of the command. Raises SystemExit after printing help, or what is wrong with them."""
    command, run = _parsers()
    if arguments[:1] != ["run"]:
        command.parse_args(arguments)
    ours, program = _split(arguments[1:])
    options = run.parse_args(ours)
    given = ",".join(options.exporter) or os.environ.get("THREAD_TELEMETRY_EXPORTERS", "")
    names = tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    module, program = _module_first(program)
    if not program:
        run.error("expected a module after -m" if module else "expected a program: SCRIPT, or -m MODULE")
    if program[0] == "-" and not module:
        run.error("expected a program: SCRIPT, or -m MODULE; it cannot be read from stdin")
    return Invocation(
        exporters=() if names == ("none",) else names or DEFAULT_EXPORTERS,
        by_default=not names,
        options={name: value for name in ("port", "host") if (value := getattr(options, name)) is not None},
        slow_wait=options.slow_wait,
        module=module,
        program=program[0],
        arguments=tuple(program[1:]),
    )


def refuse(message: str) -> NoReturn:
    """Say what is wrong with what was asked for, and exit with the status of a usage error."""
    _parsers()[1].error(message)


def _parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    name = "python -m thread" if os.path.basename(sys.argv[0]) == "__main__.py" else "thread"
    command = argparse.ArgumentParser(name, description="Observes the threads and locks of a program.")
    commands = command.add_subparsers(metavar="COMMAND", required=True)
    run = commands.add_parser(
        "run",
        help="run a program under observation",
        usage=_USAGE,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run.add_argument(
        "--exporter",
        action="append",
        default=[],
        metavar="NAME",
        help="export to this instead of prometheus and console; may be repeated; none: nowhere",
    )
    run.add_argument("--port", type=_port, metavar="N", help="serve the metrics page on this port, 0: on any free one")
    run.add_argument("--host", metavar="HOST", help="serve the metrics page on this address")
    run.add_argument(
        "--slow-wait",
        type=_milliseconds,
        metavar="MS",
        help="keep the stacks of both sides of a wait that takes more milliseconds",
    )
    return command, run


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our options, and the program with its own: argparse would look for ours among those, too."""
    end = 0
    while end < len(arguments):
        argument = arguments[end]
        if argument == "--":
            return list(arguments[:end]), list(arguments[end + 1 :])
        if argument == "-" or argument.startswith("-m") or not argument.startswith("-"):
            break
        has_value_after_it = argument.startswith("--") and "=" not in argument and argument != "--help"
        end += 2 if has_value_after_it else 1
    return list(arguments[:end]), list(arguments[end:])


def _module_first(program: list[str]) -> tuple[bool, list[str]]:
    """Whether it is a module, and the program without `-m`, which may stick to the name."""
    if not program or not program[0].startswith("-m"):
        return False, program
    return True, program[1:] if program[0] == "-m" else [program[0][2:], *program[1:]]


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
