"""What was recorded, as metrics for Prometheus.

Serve them on a port of their own:

    from thread import telemetry
    from thread_exporters.prometheus import PrometheusExporter

    telemetry.start(PrometheusExporter(port=9464))        # http://127.0.0.1:9464/metrics

or add them to the page that the service has already, whatever registry that page is made of:

    telemetry.start(PrometheusExporter(registry))

or make such a page in an application, with `make_wsgi_app(registry)` or `make_asgi_app(registry)`.

Where PROMETHEUS_MULTIPROC_DIR is set, as prometheus_client wants it for services of several processes, each process
writes its metrics into that folder at each export, and every page shows those of all processes: the port, which the
processes listen to together, `make_wsgi_app()` and `make_asgi_app()`, and the pages of prometheus_client's own
MultiProcessCollector, which are slower and have no exemplars.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry

from thread import telemetry
from thread.telemetry import Event, Snapshot

from ._all_processes import registry_of_all
from ._collector import ThreadCollector
from ._exemplars import Exemplars
from ._metrics_app import make_asgi_app, make_wsgi_app
from ._process_files import VARIABLE, ProcessFiles
from ._recorded import Recorded, recorded_here
from ._server import MetricsServer

__all__ = ["PrometheusExporter", "from_environment", "make_asgi_app", "make_wsgi_app"]

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 9464
"""The port that OpenTelemetry has chosen for Prometheus exporters."""

_log: Final = logging.getLogger("thread.telemetry")


class PrometheusExporter:
    """Shows `thread.telemetry.snapshot()` whenever `registry` is scraped.

    With `port` it also serves the registry on `host`, 0 being any free port. When that port cannot be had, one line
    on the `thread.telemetry` logger says so and the program goes on; the registry holds the metrics all the same.

    Where PROMETHEUS_MULTIPROC_DIR is set, the metrics go to that folder and not to the registry, and the port serves
    what all processes wrote there.

    Raises ValueError for a port that is none, for a registry or a folder that has the metrics of this process
    already, and for a PROMETHEUS_MULTIPROC_DIR that cannot be written to. Safe to use from any thread.
    """

    def __init__(
        self, registry: CollectorRegistry = REGISTRY, port: int | None = None, host: str = DEFAULT_HOST
    ) -> None:
        if port is not None:
            _check_port("port", port)
        folder = os.environ.get(VARIABLE)
        self._exemplars = Exemplars()
        self._collector = ThreadCollector(self._recorded)
        self._files = _files_in(folder) if folder else None
        self._registry = registry_of_all(folder) if folder else registry
        if self._files is None:
            self._register()
        self._server = None if port is None else self._serve(host, port)

    @property
    def url(self) -> str | None:
        """Where the metrics are served, None when they are not."""
        return None if self._server is None else self._server.url

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """Write the files of this process, if it is one of several; remember which spans waited for long."""
        self._exemplars.observe(events)
        if self._files is not None:
            self._files.write(snapshot, self._exemplars)

    def shutdown(self, timeout: float) -> None:
        """Leave the registry and free the port within `timeout` seconds. A second call does nothing."""
        files, self._files = self._files, None
        if files is not None:
            files.close()
            _processes.pop(files.folder, None)
        self._collector.unregister(self._registry)
        self._stop_serving(timeout)

    def after_fork_in_child(self) -> bool:
        """Leave the port to the parent. The metrics of the child are in its registry, or in files of its own."""
        self._exemplars.clear()
        self._stop_serving(timeout=0.0)
        if self._files is not None:
            _processes[self._files.folder] = os.getpid()
            self._files.after_fork_in_child()
        # The last numbers of a child are missing in the files until it has written them.
        return self._files is not None

    def _recorded(self) -> Recorded:
        return recorded_here(telemetry.snapshot(), self._exemplars)

    def _register(self) -> None:
        try:
            self._collector.register(self._registry)
        except ValueError:
            raise ValueError(
                "expected a registry without the metrics of thread.telemetry, got one that has them already: "
                "shut down the PrometheusExporter that was registered first"
            ) from None

    def _serve(self, host: str, port: int) -> MetricsServer | None:
        try:
            return MetricsServer(make_wsgi_app(self._registry), host, port, shared=self._files is not None)
        except (OSError, UnicodeError) as error:
            _log.warning(
                "no metrics are served, since port %d of %s cannot be had: %s; the program runs on, "
                "THREAD_TELEMETRY_PORT and THREAD_TELEMETRY_HOST choose another address",
                port,
                host,
                getattr(error, "strerror", None) or error,
            )
            return None

    def _stop_serving(self, timeout: float) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close(timeout)


def from_environment(port: int | None = None, host: str | None = None) -> PrometheusExporter:
    """The exporter of the name `prometheus`, serving prometheus_client's default registry.

    The default address is that of `THREAD_TELEMETRY_HOST` and `THREAD_TELEMETRY_PORT`, else port 9464 of 127.0.0.1.
    Raises ValueError for a port that is none.
    """
    if port is None:
        port = _port_from(os.environ.get("THREAD_TELEMETRY_PORT") or str(DEFAULT_PORT))
    return PrometheusExporter(port=port, host=host or os.environ.get("THREAD_TELEMETRY_HOST") or DEFAULT_HOST)


_processes: Final[dict[Path, int]] = {}
"""Which process this was when it began to write to a folder."""


def _files_in(folder: str) -> ProcessFiles:
    if _processes.get(Path(folder)) == os.getpid():
        raise ValueError(
            f"{VARIABLE}: expected a folder without the metrics of this process, got {folder!r}, which has them "
            "already: shut down the PrometheusExporter that was made first"
        )
    files = ProcessFiles(folder)
    _processes[files.folder] = os.getpid()
    return files


def _port_from(text: str) -> int:
    try:
        return _check_port("THREAD_TELEMETRY_PORT", int(text))
    except ValueError:
        raise ValueError(f"THREAD_TELEMETRY_PORT: expected a port number from 0 to 65535, got {text!r}") from None


def _check_port(source: str, port: int) -> int:
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError(f"{source}: expected a port number from 0 to 65535, got {port!r}")
    return port
