"""`python -m thread dump`: another process, looked at from outside."""

from __future__ import annotations

import argparse
import sys
from typing import Final

_USAGE: Final = "%(prog)s [--children] [--pause] [--json | --dot] (PID | --all)"

_DESCRIPTION: Final = """\
Show what every thread of a Python process does: its stack, what it waits for, who holds that and where they took it.
What is wrong comes first: threads that wait for each other, a lock whose owner sleeps, a pool that waits for itself.

The process needs no preparation. It is read and never changed, and does not notice."""

_EPILOG: Final = """\
A lock that was taken by `with`, and every RLock, names its owner. A Lock that was taken by a call of acquire() leaves
no trace: then its owner cannot be seen, and is not guessed.

exit status
  0  nothing is certain to hang    1  a process could not be read
  3  a process is certain to hang  2  the command line is wrong

examples
  thread dump 4711
  thread dump --children --json $(pgrep -o gunicorn)
  thread dump --all | less
  thread dump --dot 4711 | dot -Tsvg > waits.svg"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `dump` to the commands."""
    parser = commands.add_parser(
        "dump",
        help="show what the threads of a running process wait for, and who holds it",
        usage=_USAGE,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("pid", type=_process_id, nargs="?", metavar="PID", help="the process")
    parser.add_argument("--all", action="store_true", help="every Python process that we may read")
    parser.add_argument("--children", action="store_true", help="the children of the process, and theirs, too")
    parser.add_argument("--pause", action="store_true", help="stop the process for a few ms, to see one moment")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_const", const="json", dest="form", help="write JSON, for programs")
    form.add_argument("--dot", action="store_const", const="dot", dest="form", help="write a graph, for Graphviz")
    parser.set_defaults(form="text", parser=parser)


def dump(options: argparse.Namespace) -> None:
    """Carry out the command. Raises SystemExit with the status."""
    if (options.pid is None) != options.all:
        options.parser.error("expected a process id, or --all")
    if not sys.platform.startswith("linux"):
        sys.exit("thread dump: another process can be read on Linux only")
    from .._remote.command import Request, dump_processes

    request = Request(options.pid, children=options.children, pause=options.pause, form=options.form)
    try:
        status = dump_processes(request)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, as `head` has.
        sys.stderr.close()
        status = 0
    sys.exit(status)


def _process_id(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected the id of a process, got {text!r}")
    return int(text)
