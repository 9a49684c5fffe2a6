"""`python -m thread run`: start the observation, then the program."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from .. import telemetry
from .._base.stderr import say
from .._export.entry_points import options_known_to
from .._export.exporting import Exporter
from .._export.recorder import recorder
from . import program
from .command_line import Invocation, parse, refuse

_FIND: Final[dict[str, Callable[[str, Sequence[str]], program.Program | program.ForeignProgram]]] = {
    "script": program.script_or_command,
    "module": program.module,
    "code": program.code,
}


def run(arguments: Sequence[str]) -> None:
    """Run a program under observation, as the arguments say.

    Raises whatever the program raises, and SystemExit for bad arguments.
    """
    invocation = parse(arguments)
    try:
        found = _FIND[invocation.kind](invocation.program, invocation.arguments)
    except program.ProgramNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    if isinstance(found, program.ForeignProgram):
        found.replace_this_process(_environment(invocation))
    telemetry.instrument()
    _start_exporters(invocation)
    if any(name != "console" for name in invocation.exporters):
        # The program's children are observed as well. Their reports would mix with the program's output.
        os.environ.update(_environment(invocation, but="console"))
    program.execute(found)


def _environment(invocation: Invocation, but: str | None = None) -> dict[str, str]:
    """Environment that tells another interpreter our arguments, but for one of the exporters."""
    exporters = [name for name in invocation.exporters if name != but]
    said = {"THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_EXPORTERS": ",".join(exporters) or "none"}
    if invocation.slow_wait is not None:
        said["THREAD_TELEMETRY_SLOW_WAIT_MS"] = f"{invocation.slow_wait * 1000:g}"
    said.update((f"THREAD_TELEMETRY_{name.upper()}", str(value)) for name, value in invocation.options.items())
    return said


def _start_exporters(invocation: Invocation) -> None:
    if invocation.slow_wait is not None:
        try:
            telemetry.configure(slow_wait=invocation.slow_wait)
        except ValueError as error:
            refuse(f"argument --slow-wait: {error}")
    exporters: dict[str, Exporter] = {}
    unused = set(invocation.options)
    for name in invocation.exporters:
        if name in recorder.exporter_names:
            continue  # The environment has started it.
        try:
            options = options_known_to(name, invocation.options)
            unused -= options.keys()
            exporters[name] = telemetry.exporter(name, **options)
        except (ImportError, LookupError, TypeError, ValueError) as error:
            # An exporter that nobody asked for on this command line is no reason not to run the program.
            if invocation.demanded:
                refuse(str(error))
            say(str(error))
        except Exception as error:
            say(f"cannot start the exporter {name!r}: {type(error).__name__}: {error}")
    if unused and invocation.demanded:
        exporting_to = ", ".join(invocation.exporters) or "none"
        option = min(unused).replace("_", "-")
        refuse(f"argument --{option}: none of these exporters takes it: {exporting_to}")
    for name, exporter in exporters.items():
        recorder.add(name, exporter)
        if isinstance(url := getattr(exporter, "url", None), str):
            say(f"metrics at {url}")
