"""Find exporters by name: our own, then others in the entry-point group `thread.exporters`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Final

from .._backend import core
from .exporting import Exporter, check_exporter
from .late import load

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "thread.exporters"


_OURS: Final = {
    "prometheus": "thread_exporters.prometheus:from_environment",
    "console": "thread_exporters.console:from_options",
    "spans": "thread_exporters.spans:SpansExporter",
    "otlp": "thread_exporters.otlp:OtlpExporter",
}
"""Exporters of our own distribution, which need no search and which no other distribution may replace."""


def create_exporter(name: str, options: dict[str, object]) -> Exporter:
    """Create an exporter by the factory of that name.

    Raises LookupError for an unknown name, ImportError if the exporter's library is missing, TypeError if the factory
    makes something else, and whatever the factory raises.
    """
    try:
        core.enter_untracked()
        try:
            exporter: object = _factory(name)(**options)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(_missing_library(name, error), name=error.name) from error
        return check_exporter(exporter)
    finally:
        core.leave_untracked()


def options_known_to(name: str, options: dict[str, object]) -> dict[str, object]:
    """Options that the factory of that name takes; none if it cannot be loaded."""
    if not options:
        return {}
    from inspect import signature

    try:
        core.enter_untracked()
        parameters = signature(_factory(name)).parameters
    except (ImportError, LookupError):
        return {}
    finally:
        core.leave_untracked()
    return {option: value for option, value in options.items() if option in parameters}


def resolve(exporters: Iterable[Exporter | str], known: Collection[str] = ()) -> list[tuple[str, Exporter]]:
    """Each exporter with its name; those given by name are created. Names in `known` are skipped.

    If one of them fails, all those created before are shut down again. Raises as `create_exporter` does, and TypeError
    for an object that is no exporter.
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
        let_go(created)
        raise
    return list(resolved.values())


def let_go(exporters: Iterable[Exporter]) -> None:
    """Shut down exporters that were created and are not needed after all."""
    for exporter in exporters:
        try:
            core.enter_untracked()
            exporter.shutdown(0.0)
        except Exception:
            core.count_internal_error()
        finally:
            core.leave_untracked()


def _factory(name: str) -> Callable[..., object]:
    if name in _OURS:
        return load(_OURS[name])  # type: ignore[no-any-return]
    return _found(name).load()  # type: ignore[no-any-return]


def _found(name: str) -> EntryPoint:
    # Not at the top: it imports `threading`, which the program should do first.
    from importlib.metadata import entry_points

    known: dict[str, EntryPoint] = {}
    for entry_point in entry_points(group=GROUP):
        known.setdefault(entry_point.name, entry_point)
    if name not in known:
        raise LookupError(
            f"unknown exporter {name!r}: expected one of {', '.join(sorted({*known, *_OURS}))}; "
            "pip install 'thread-telemetry[all]' brings all of ours"
        )
    return known[name]


def _missing_library(name: str, error: ModuleNotFoundError) -> str:
    library = error.name or "a library"
    return f"the exporter {name!r} needs {library}, which is not installed: pip install {_remedy(name, library)}"


def _remedy(name: str, library: str) -> str:
    if name in _OURS:
        return f"'thread-telemetry[{name}]'"
    distribution = _found(name).dist
    extras = distribution.metadata.get_all("Provides-Extra") if distribution is not None else None
    return f"'{distribution.name}[{name}]'" if distribution is not None and name in (extras or ()) else library
