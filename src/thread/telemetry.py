"""Observation of this process's locks and threads: read it here, or export it.

    import thread
    from thread import telemetry

    telemetry.start("prometheus", "console", slow_wait=0.005)   # names, or any objects with export and shutdown
    telemetry.instrument()                                      # `threading` makes observed locks and threads too

    ...                                                         # the program

    telemetry.configure(hold_sampling=1)                        # in force at once
    for lock in telemetry.snapshot().locks:
        print(lock.name, lock.contentions, lock.wait.quantile(0.99))

`snapshot()` works without `start()`, in any thread, signal handler and finalizer. Exporters stop when the process
exits, after the program's own `atexit` handlers if this module was imported before they were registered. Every setting
has an environment variable too; see `Settings`.

An exporter of your own is a class with two methods:

    class Log:
        def export(self, snapshot, events):
            for event in events:
                if isinstance(event, telemetry.SlowWait):
                    log.warning("%s waited %.3f s for %s", event.acquire_site, event.duration, event.lock)

        def shutdown(self, timeout):
            pass

    telemetry.start(Log())

Its methods run in an unobserved thread. Whatever they do there, the program goes on.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Unpack, cast

from ._backend import core
from ._base.at_exit import at_end
from ._export.entry_points import create_exporter, let_go, resolve
from ._export.exporting import Exporter, ExportError
from ._export.recorder import recorder
from ._export.tracing import ThreadSpan, Tracing, begin_tracing, end_tracing
from ._observed.instrument import instrument, uninstrument
from ._observed.names import named
from ._process import fork, making_way, multiprocessing_children
from ._process.clock import monotonic, time_ns
from ._process.own_threads import UnobservedThread
from ._settings.environment import settings_from_environment
from ._settings.settings import Settings, SettingsChange, check_timeout
from ._views.events import Event, SlowWait, SpanContext, ThreadFinished, UnhandledException
from ._views.histogram import Histogram
from ._views.snapshot import (
    BlockingStats,
    Coverage,
    ExceptionStats,
    ExecutorStats,
    ExporterStats,
    LiveThread,
    LockStats,
    Site,
    Snapshot,
    ThreadStats,
    WaitStats,
)

__all__ = [
    "BlockingStats",
    "Coverage",
    "Event",
    "ExceptionStats",
    "ExecutorStats",
    "ExportError",
    "Exporter",
    "ExporterStats",
    "Histogram",
    "LiveThread",
    "LockStats",
    "Settings",
    "Site",
    "SlowWait",
    "Snapshot",
    "SpanContext",
    "ThreadFinished",
    "ThreadSpan",
    "ThreadStats",
    "Tracing",
    "UnhandledException",
    "UnobservedThread",
    "WaitStats",
    "begin_tracing",
    "configure",
    "end_tracing",
    "exporter",
    "hidden",
    "instrument",
    "monotonic",
    "named",
    "snapshot",
    "start",
    "stop",
    "time_ns",
    "uninstrument",
]


def start(*exporters: Exporter | str, **settings: Unpack[SettingsChange]) -> None:
    """Begin to export to `exporters`, which are objects or names that `exporter` takes.

    May be called again: new exporters are added to the running ones, and one that runs already is left alone. Settings
    change as by `configure`. Either all of it happens or nothing does.

    Raises TypeError for an object that is no exporter, LookupError for an unknown name, ImportError if an exporter's
    library is missing, RuntimeError if no thread can be started, and whatever `configure` and the exporter's own code
    raise. Thread-safe.
    """
    recorder.settings.changed(settings)
    resolved = resolve(exporters, known=recorder.exporter_names)
    try:
        recorder.begin(resolved, settings)
    except BaseException:
        let_go([each for _, each in resolved if not any(each is given for given in exporters)])
        raise


def stop(timeout: float | None = None, *, only: Exporter | None = None) -> None:
    """Export a last time to each exporter, or to `only` that one, shut it down, and wait for it.

    Returns after `timeout` seconds at the latest, by default after `export_timeout`; an exporter that needs longer is
    left behind. Does nothing if nothing was started. Recording goes on, and `start` may be called again.

    Raises TypeError or ValueError unless `timeout` is a number of seconds, at least 0. Thread-safe.
    """
    recorder.stop(None if timeout is None else check_timeout(timeout), only=only)


def configure(**settings: Unpack[SettingsChange]) -> Settings:
    """Change settings at once, and return those now in force. Without arguments, only return them.

    Raises TypeError for an unknown setting or a value of the wrong type, ValueError for one out of range; then nothing
    changes. Thread-safe.
    """
    return recorder.configure(settings)


def snapshot() -> Snapshot:
    """Everything recorded since the process began, or since it was forked.

    Takes no lock and works without `start`: safe in any thread, signal handler, finalizer and exporter.
    """
    return recorder.snapshot()


def exporter(name: str, **options: Any) -> Exporter:
    """Create the exporter that an installed distribution offers under `name` in the group `thread.exporters`.

    `options` go to the exporter. Raises LookupError for an unknown name, ImportError if the exporter's library is
    missing, and whatever the exporter's own code raises, such as TypeError for unknown options. Thread-safe.
    """
    return create_exporter(name, options)


class _Untracked:
    __slots__ = ()

    # The core's own functions, so that no signal handler can raise between them and the block.
    __enter__ = staticmethod(core.enter_untracked)
    __exit__ = staticmethod(core.leave_untracked)


def hidden() -> AbstractContextManager[None]:
    """A context in which this thread creates unobserved locks and starts unobserved threads.

    Threads started in it stay unobserved. It is for exporters that start threads outside the calls made to them; within
    these calls nothing is observed anyway. An `UnobservedThread` also makes way for forks. Contexts nest.
    """
    return _Untracked()


def _stop_at_exit() -> None:
    recorder.stop(at_exit=True)


def _prepare_process() -> None:
    recorder.configure(cast("SettingsChange", settings_from_environment()))
    at_end(_stop_at_exit)
    making_way.register()
    fork.register(in_child=lambda: multiprocessing_children.call_at_exit(_stop_at_exit))
    multiprocessing_children.call_at_exit(_stop_at_exit)
    recorder.go_on_in_children()


_prepare_process()
