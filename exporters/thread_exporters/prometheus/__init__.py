"""Metrics for Prometheus.

Serve them on a port of their own:

    from thread import telemetry
    from thread_exporters.prometheus import PrometheusExporter

    telemetry.start(PrometheusExporter(port=9464))        # http://127.0.0.1:9464/metrics

or add them to the page that the service already has, made from any registry:

    telemetry.start(PrometheusExporter(registry))

or add such a page to an application with `make_wsgi_app(registry)` or `make_asgi_app(registry)`.

For services with several processes, prometheus_client uses the folder PROMETHEUS_MULTIPROC_DIR. If it is set, each
process writes its metrics to that folder at each export, and every page shows the metrics of all processes: the page on
the port, which the processes share; `make_wsgi_app()` and `make_asgi_app()`; and the pages of prometheus_client's own
MultiProcessCollector, which are slower and have no exemplars.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import REGISTRY, CollectorRegistry

from thread import telemetry
from thread.telemetry import Event, Snapshot

from .._page.lazy_page import DEFAULT_HOST, address
from .._page.listener import Listener
from .._page.served_page import ServedPage
from .._page.tls import Tls
from .._schema.exemplars import Exemplars
from ._app import answer, make_asgi_app, make_wsgi_app
from ._format.collector import ThreadCollector
from ._format.samples import Samples, samples_of_process
from ._multiprocess.aggregate import all_processes
from ._multiprocess.process_files import VARIABLE, ProcessFiles
from ._multiprocess.registry import registry_of_all

if TYPE_CHECKING:
    import ssl

__all__ = ["PrometheusExporter", "from_environment", "make_asgi_app", "make_wsgi_app"]

_log: Final = logging.getLogger("thread.telemetry")


class PrometheusExporter:
    """Exports `thread.telemetry.snapshot()` whenever `registry` is scraped.

    With `port` it also serves the registry on `host`; 0 means any free port. If the port is taken, it logs one line on
    the `thread.telemetry` logger and tries again at each export. The registry has the metrics in any case.

    `certfile` and the options after it are those of prometheus_client's `start_http_server` and turn HTTPS on.
    `allowed_hosts` are the host names by which clients may request the page, besides addresses and the names of this
    machine: `*.example.org` allows everything below a domain, `*` any name. By default any name is allowed, except on a
    loopback address, where a foreign name would let a web site read the page through a browser.

    If PROMETHEUS_MULTIPROC_DIR is set, the metrics go to that folder and not to the registry, and the port serves the
    metrics of all processes that write there. `client_files` also writes the files that prometheus_client's own
    MultiProcessCollector reads.

    Raises ValueError for an invalid port, for a registry or folder that already has the metrics of this process, for a
    PROMETHEUS_MULTIPROC_DIR that is not writable or that others can write to, and for a `certfile` without a `keyfile`.
    Safe to use from any thread.
    """

    def __init__(
        self,
        registry: CollectorRegistry = REGISTRY,
        port: int | None = None,
        host: str = DEFAULT_HOST,
        *,
        certfile: str | None = None,
        keyfile: str | None = None,
        client_cafile: str | None = None,
        client_capath: str | None = None,
        client_auth_required: bool = False,
        tls_min_version: ssl.TLSVersion | None = None,
        allowed_hosts: Collection[str] | None = None,
        client_files: bool = False,
        listener: Listener | None = None,
    ) -> None:
        if port is not None:
            _check_port("port", port)
        tls = _tls(
            certfile,
            keyfile,
            client_cafile=client_cafile,
            client_capath=client_capath,
            client_auth_required=client_auth_required,
            tls_min_version=tls_min_version,
        )
        given = os.environ.get(VARIABLE)
        folder = os.path.abspath(given) if given else None
        self._folder = folder or ""
        self._exemplars = Exemplars()
        self._collector = ThreadCollector(self._samples)
        self._files = _files_in(folder, client_files) if folder else None
        self._registry = registry_of_all(folder) if folder else registry
        if self._files is None:
            self._register()
        self._page: ServedPage | None = None
        if port is not None:
            self._page = self._served(host, port, tls=tls, allowed_hosts=allowed_hosts, listener=listener)

    def _served(self, host: str, port: int, **options: Any) -> ServedPage:
        folder = None if self._files is None else self._files.path
        return ServedPage(lambda: partial(answer, self._registry), host, port, folder=folder, **options)

    @property
    def url(self) -> str | None:
        """Address of the metrics; None if they are not served."""
        return None if self._page is None else self._page.url

    @property
    def is_news(self) -> bool:
        """True if this process is the first of several to serve the metrics there."""
        return self._page is not None and self._page.is_news

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """Write the files of this process, if it is one of several, and remember exemplars of slow waits."""
        self._exemplars.observe(events)
        try:
            if self._files is not None:
                self._files.write(snapshot, self._exemplars)
                for complaint in all_processes(self._folder).complaints():
                    _log.warning("%s", complaint)
        finally:
            if self._page is not None:
                self._page.serve()

    def shutdown(self, timeout: float) -> None:
        """Leave the registry and free the port within `timeout` seconds. A second call does nothing."""
        files, self._files = self._files, None
        if files is not None:
            files.close()
            _processes.pop(self._folder, None)
        self._collector.unregister(self._registry)
        page, self._page = self._page, None
        if page is not None:
            page.close(timeout)

    def after_fork_in_child(self) -> bool:
        """Leave the port to the parent. The child's metrics are in its registry, or in files of its own."""
        self._exemplars.clear()
        if self._page is not None:
            self._page.after_fork_in_child()
        if self._files is not None:
            _processes[self._folder] = os.getpid()
            self._files.after_fork_in_child()
        # A child must write its files once more at its end, or its last numbers are missing.
        return self._files is not None

    def _samples(self) -> Samples:
        return samples_of_process(telemetry.snapshot(), self._exemplars)

    def _register(self) -> None:
        try:
            self._collector.register(self._registry)
        except ValueError:
            raise ValueError(
                "expected a registry without the metrics of thread.telemetry, got one that already has them: "
                "shut down the PrometheusExporter that was registered first"
            ) from None


def from_environment(
    port: int | None = None, host: str | None = None, *, listener: Listener | None = None
) -> PrometheusExporter:
    """Make the exporter named `prometheus`, which serves prometheus_client's default registry.

    The environment provides defaults: `THREAD_TELEMETRY_HOST` and `THREAD_TELEMETRY_PORT` for the address, otherwise
    127.0.0.1:9464; `THREAD_TELEMETRY_CERTFILE`, `_KEYFILE`, `_CLIENT_CAFILE`, `_CLIENT_CAPATH`,
    `_CLIENT_AUTH_REQUIRED`, `_TLS_MIN_VERSION` (1.2 or 1.3), `_ALLOWED_HOSTS` (separated by commas) and `_CLIENT_FILES`
    for the options of `PrometheusExporter`. For an invalid value, it writes one line to stderr and uses the default.
    Raises RuntimeError if only one of the certificate and its key is given, rather than serve the page without HTTPS.
    """
    if port is None:
        _, port = address(_complain)
    if bool(_given("CERTFILE")) != bool(_given("KEYFILE")):
        raise RuntimeError("expected both THREAD_TELEMETRY_CERTFILE and THREAD_TELEMETRY_KEYFILE, got one of them")
    names = _given("ALLOWED_HOSTS")
    return PrometheusExporter(
        port=port,
        host=host or _given("HOST") or DEFAULT_HOST,
        certfile=_given("CERTFILE"),
        keyfile=_given("KEYFILE"),
        client_cafile=_given("CLIENT_CAFILE"),
        client_capath=_given("CLIENT_CAPATH"),
        client_auth_required=_is_on("CLIENT_AUTH_REQUIRED", otherwise=True),
        tls_min_version=_tls_version(_given("TLS_MIN_VERSION")),
        allowed_hosts=None if names is None else [name for name in map(str.strip, names.split(",")) if name],
        client_files=_is_on("CLIENT_FILES"),
        listener=listener,
    )


def _given(name: str) -> str | None:
    return os.environ.get(f"THREAD_TELEMETRY_{name}") or None


def _is_on(name: str, *, otherwise: bool = False) -> bool:
    text = (_given(name) or "0").strip().lower()
    if text not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
        _complain(f"THREAD_TELEMETRY_{name}: expected 1 or 0, got {text!r}; using {int(otherwise)}")
        return otherwise
    return text in ("1", "true", "yes", "on")


def _tls_version(text: str | None) -> ssl.TLSVersion | None:
    if text is None:
        return None
    import ssl

    versions = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    if text not in versions:
        _complain(f"THREAD_TELEMETRY_TLS_MIN_VERSION: expected 1.2 or 1.3, got {text!r}; using 1.3")
    return versions.get(text, ssl.TLSVersion.TLSv1_3)


_processes: Final[dict[str, int]] = {}
"""Process id at the time an exporter began to write, by folder."""


def _files_in(folder: str, client_files: bool) -> ProcessFiles:
    if _processes.get(folder) == os.getpid():
        raise ValueError(
            f"{VARIABLE}: expected a folder without the metrics of this process, got {folder!r}, which already has "
            "them: shut down the PrometheusExporter that was made first"
        )
    files = ProcessFiles(folder, client_files=client_files)
    _processes[folder] = os.getpid()
    return files


def _tls(certfile: str | None, keyfile: str | None, **options: Any) -> Tls | None:
    if not certfile and not keyfile:
        return None
    if not certfile or not keyfile:
        raise ValueError(f"expected both certfile and keyfile, got {certfile!r} and {keyfile!r}")
    return Tls(certfile=certfile, keyfile=keyfile, **options)


def _complain(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"thread: {line}\n")


def _check_port(source: str, port: int) -> int:
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError(f"{source}: expected a port number from 0 to 65535, got {port!r}")
    return port
