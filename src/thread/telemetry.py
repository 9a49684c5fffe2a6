"""What the observed locks and threads of this process do: looked at, and sent where you want it.

    import thread
    from thread import telemetry

    telemetry.start("prometheus", "console", slow_wait=0.005)   # names, or any objects with export and shutdown
    telemetry.instrument()                                      # `threading` makes observed locks and threads too

    ...                                                         # the program

    telemetry.configure(hold_sampling=1)                        # in force at once
    for lock in telemetry.snapshot().locks:
        print(lock.name, lock.contentions, lock.wait.quantile(0.99))

`snapshot()` works without `start()`, in any thread, in signal handlers and in finalizers. What is started is stopped
when the process exits, after the program's own `atexit` handlers if this module was imported before they were
registered. Every setting can be given by an environment variable, too; see `Settings`.

An exporter of your own is a class with two methods:

    class Log:
        def export(self, snapshot, events):
            for event in events:
                if isinstance(event, telemetry.SlowWait):
                    log.warning("%s waited %.3f s for %s", event.acquire_site, event.duration, event.lock)

        def shutdown(self, timeout):
            pass

    telemetry.start(Log())

It is called in a thread that observes nothing and is not observed. Whatever it does there, the program goes on.
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
    """Begin to export to `exporters`, given as objects or by the names that `exporter` takes.

    May be called again: exporters are added to those at work, and one that is at work already is left alone. Settings
    are changed as by `configure`. Either all of it happens or nothing does.

    Raises TypeError for what is no exporter, LookupError for an unknown name, ImportError for one whose library is
    missing, whatever the making of an exporter raises, what `configure` raises, and RuntimeError where no thread can be
    started. Thread-safe.
    """
    recorder.settings.changed(settings)
    resolved = resolve(exporters, known=recorder.exporter_names)
    try:
        recorder.begin(resolved, settings)
    except BaseException:
        let_go([each for _, each in resolved if not any(each is given for given in exporters)])
        raise


def stop(timeout: float | None = None, *, only: Exporter | None = None) -> None:
    """Export a last time to each exporter, or to `only` that one, shut it down, and wait for that.

    Returns after `timeout` seconds at the latest, by default after `export_timeout`; an exporter that needs longer is
    left behind. Does nothing when nothing was started. Recording goes on, and `start` may be called again.

    Raises TypeError or ValueError unless `timeout` is a number of seconds, at least 0. Thread-safe.
    """
    recorder.stop(None if timeout is None else check_timeout(timeout), only=only)


def configure(**settings: Unpack[SettingsChange]) -> Settings:
    """Change settings, at once, and return those now in force; without arguments, just return them.

    Raises TypeError for an unknown setting or a value of the wrong type, ValueError for one out of range; nothing is
    changed then. Thread-safe.
    """
    return recorder.configure(settings)


def snapshot() -> Snapshot:
    """What was recorded since the process began, or since it was forked.

    Takes no lock and works without `start`: safe in any thread, signal handler, finalizer and exporter.
    """
    return recorder.snapshot()


def exporter(name: str, **options: Any) -> Exporter:
    """Create the exporter that an installed distribution offers under `name` in the group `thread.exporters`.

    `options` are those of the exporter. Raises LookupError for an unknown name, ImportError where the library that it
    needs is missing, and whatever its making raises, TypeError for unknown options for example. Thread-safe.
    """
    return create_exporter(name, options)


class _Untracked:
    __slots__ = ()

    # Those of the core itself, so that no signal handler can raise between them and the block.
    __enter__ = staticmethod(core.enter_untracked)
    __exit__ = staticmethod(core.leave_untracked)


def hidden() -> AbstractContextManager[None]:
    """A context in which the locks that this thread creates and the threads that it starts are not observed.

    Threads started in it are themselves hidden. For exporters that start threads of their own outside the calls made
    to them, which are hidden anyway; `UnobservedThread` is one that also keeps out of the way of forks. Contexts nest.
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
