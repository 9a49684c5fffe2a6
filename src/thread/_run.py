"""`python -m thread run`: starts what observes, then the program."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

from . import _program, telemetry
from ._command_line import Invocation, parse, refuse
from ._entry_points import GROUP
from ._exporting import Exporter
from ._recorder import recorder


def run(arguments: Sequence[str], modules: Collection[str]) -> None:
    """Run a program under observation, as the arguments say.

    `modules` are those that were imported before anything was imported for us. Raises what the program raises, and
    SystemExit for arguments that make no sense.
    """
    invocation = parse(arguments)
    try:
        find = _program.module if invocation.module else _program.script
        program = find(invocation.program, invocation.arguments)
    except _program.ProgramNotFoundError as error:
        _say(str(error))
        sys.exit(2)
    telemetry.instrument()
    _start_exporters(invocation)
    _program.execute(program, set(sys.modules).difference(modules))


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
            options = _known_to(name, invocation.options)
            unused -= options.keys()
            exporters[name] = telemetry.exporter(name, **options)
        except ImportError as error:
            if not invocation.by_default:
                refuse(str(error))
            _say(f"thread: {error}")
        except (LookupError, TypeError, ValueError) as error:
            refuse(str(error))
        except Exception as error:
            _say(f"thread: the exporter {name!r} cannot be started: {type(error).__name__}: {error}")
    if unused and not invocation.by_default:
        exporting_to = ", ".join(invocation.exporters) or "none"
        refuse(f"argument --{min(unused)}: none of these exporters takes it: {exporting_to}")
    for name, exporter in exporters.items():
        recorder.add(name, exporter)
        if isinstance(url := getattr(exporter, "url", None), str):
            _say(f"thread: metrics at {url}")


def _known_to(name: str, options: dict[str, object]) -> dict[str, object]:
    """Those options that the exporter's factory takes."""
    if not options:
        return {}
    # Not at the top: the latter imports `threading`, which is for the program to do first.
    from importlib.metadata import entry_points
    from inspect import signature

    with telemetry.hidden():
        for entry_point in entry_points(group=GROUP, name=name):
            try:
                parameters = signature(entry_point.load()).parameters
            except ImportError:
                break
            return {option: value for option, value in options.items() if option in parameters}
    return {}


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
