"""Observation from the start of the interpreter, as the environment asks for it.

Every Python process with `THREAD_TELEMETRY` in its environment imports this module, with all that it imports: only
the parts that observe. The metrics page is made when somebody asks for it.
"""

from __future__ import annotations

import os

from .. import _own_modules
from .._backend import core
from .._base import at_exit
from .._base.stderr import say
from .._export.late import load, make_late, make_now
from .._inspection.tracebacks import keep_details
from .._observed.instrument import instrument_at_start
from .._patching.importing import after_import
from .._patching.living_on import once_it_lives_on

# The end of the process comes last: before the program registers its own handlers.
from .._process import fork, making_way
from .._process.own_threads import UnobservedThread
from .._settings.environment import (
    EXPORTERS,
    EXPORTERS_OF_VARIABLE,
    exporters_from_environment,
    settings_from_environment,
)
from .._settings.table import SETTINGS, for_core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

_OTHER_WAYS: Final = ("PROMETHEUS_MULTIPROC_DIR", "THREAD_TELEMETRY_CERTFILE", "THREAD_TELEMETRY_KEYFILE")
"""With one of these the page is made at once: files are written at each export, and errors of HTTPS are reported at the
start."""

__all__ = ["at_exit", "start"]


def start() -> None:
    """Observe this process, and start exporters."""
    instrument_at_start()
    _configure_core()
    for name in exporters_from_environment(EXPORTERS_OF_VARIABLE):
        try:
            _start(name)
        except Exception as error:
            say(f"{EXPORTERS}: cannot start the exporter {name!r}: {error}")


def _configure_core() -> None:
    settings = settings_from_environment()
    core.configure(**for_core(settings))
    keep_details(bool(settings.get("exception_details", SETTINGS["exception_details"].default)))


def _start(name: str) -> None:
    if name == "prometheus" and not any(map(os.environ.get, _OTHER_WAYS)):
        _wait_for_the_first_visit()
    else:
        exporter = _make(name)
        # Of several processes that share a page, one says where it is.
        is_news = getattr(exporter, "is_news", False)
        if is_news and not load("thread_exporters._page.lending_listener:has_observed_ancestor")():
            say(f"metrics at {getattr(exporter, 'url', None)}")


def _make(name: str, **options: object) -> object:
    from .. import telemetry
    from .._export.recorder import recorder

    exporter = telemetry.exporter(name, **options)
    try:
        recorder.add(name, exporter)
    except RuntimeError:
        # No thread can be started once the main thread has ended. A page that is served all the same is worth having.
        if getattr(exporter, "url", None) is None:
            raise
    return exporter


def _wait_for_the_first_visit() -> None:
    if not _own_modules.is_there("prometheus_client"):
        _make("prometheus")  # It says what is missing.
        return
    core.enter_untracked()
    try:
        visit = load("thread_exporters._page.lazy_page:from_environment")(
            on_client=make_now,
            say=say,
            thread=UnobservedThread,
            once_it_lives_on=once_it_lives_on,
            interval=settings_from_environment().get("export_interval", SETTINGS["export_interval"].default),
        )
    finally:
        core.leave_untracked()
    making_way.register()
    make_late(lambda: _make_page(visit))
    # A page that the program makes of the same library shows these metrics, too.
    after_import("prometheus_client", lambda _: make_now())
    fork.register(in_child=lambda: UnobservedThread.run_here(visit.after_fork_in_child))


def _make_page(visit: Any) -> None:
    try:
        listener = visit.end()
        _make("prometheus", **({} if listener is None else {"listener": listener}))
    except Exception as error:
        say(f"{EXPORTERS}: cannot start the exporter 'prometheus': {error}")
