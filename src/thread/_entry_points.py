"""Finds exporters by name: those that installed distributions offer in the entry-point group `thread.exporters`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

from ._backend import core
from ._exporting import Exporter, check_exporter

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "thread.exporters"


def create_exporter(name: str, options: dict[str, object]) -> Exporter:
    """The exporter that the entry point's factory makes of the options.

    Raises LookupError for an unknown name, ImportError where the library that the exporter needs is missing,
    TypeError where the factory makes something else, and whatever the factory raises.
    """
    try:
        core.enter_hidden()
        entry_point = _find(name)
        try:
            factory = entry_point.load()
            exporter: object = factory(**options)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(_missing_library(entry_point, error), name=error.name) from error
        return check_exporter(exporter)
    finally:
        core.leave_hidden()


def resolve(exporters: Iterable[Exporter | str], known: Collection[str] = ()) -> list[tuple[str, Exporter]]:
    """Each exporter and what it is called, those given by name created; names in `known` are skipped.

    If one of them is not to be had, none is: those created until then are shut down again. Raises as `create_exporter`
    does, and TypeError for what is no exporter.
    """
    wanted = [exporter if isinstance(exporter, str) else check_exporter(exporter) for exporter in exporters]
    resolved: dict[object, tuple[str, Exporter]] = {}
    created: list[Exporter] = []
    try:
        for exporter in wanted:
            if not isinstance(exporter, str):
                resolved[id(exporter)] = (type(exporter).__qualname__, exporter)
            elif exporter not in resolved and exporter not in known:
                created.append(create_exporter(exporter, {}))
                resolved[exporter] = (exporter, created[-1])
    except BaseException:
        for unused in created:
            _let_go(unused)
        raise
    return list(resolved.values())


def _let_go(exporter: Exporter) -> None:
    try:
        core.enter_hidden()
        exporter.shutdown(0.0)
    except Exception:
        core.count_fault()
    finally:
        core.leave_hidden()


def _find(name: str) -> EntryPoint:
    # Not at the top: it imports `threading`, which is for the program to do first.
    from importlib.metadata import entry_points

    known: dict[str, EntryPoint] = {}
    for entry_point in entry_points(group=GROUP):
        known.setdefault(entry_point.name, entry_point)
    if name not in known:
        raise LookupError(
            f"unknown exporter {name!r}: expected one of {', '.join(sorted(known)) or '(none is installed)'}; "
            "the extras of thread-telemetry bring what they need: pip install 'thread-telemetry[all]'"
        )
    return known[name]


def _missing_library(entry_point: EntryPoint, error: ModuleNotFoundError) -> str:
    library = error.name or "a library"
    distribution = entry_point.dist
    extras = distribution.metadata.get_all("Provides-Extra") if distribution is not None else None
    if distribution is not None and entry_point.name in (extras or ()):
        remedy = f"pip install '{distribution.name}[{entry_point.name}]'"
    else:
        remedy = f"pip install {library}"
    return f"the exporter {entry_point.name!r} needs {library}, which is not installed: {remedy}"
