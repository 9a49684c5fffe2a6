"""What was samples, as metrics for Prometheus.

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
import sys
from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

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
    """Shows `thread.telemetry.snapshot()` whenever `registry` is scraped.

    With `port` it also serves the registry on `host`, 0 being any free port. When that port cannot be had, one line
    on the `thread.telemetry` logger says so, each export tries again, and the registry holds the metrics all the same.

    `certfile` and the options after it are those of prometheus_client's `start_http_server`: the page is then served
    by HTTPS. `allowed_hosts` are the names by which the page may be asked for, besides addresses and the names of this
    machine: `*.example.org` for all below one, `*` for any. Without it any name is allowed, but on a loopback
    address, where a name of others is a trick to read what only this machine may see.

    Where PROMETHEUS_MULTIPROC_DIR is set, the metrics go to that folder and not to the registry, and the port serves
    what all processes wrote there. `client_files` also writes the files from which prometheus_client's own
    MultiProcessCollector makes its pages.

    Raises ValueError for a port that is none, for a registry or a folder that has the metrics of this process
    already, for a PROMETHEUS_MULTIPROC_DIR that cannot be written to or that others can write to, and for a
    `certfile` without a `keyfile`. Safe to use from any thread.
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
        tls = None
        if certfile or keyfile:
            tls = Tls(
                certfile=_both_files(certfile, keyfile),
                keyfile=keyfile or "",
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
            self._page = ServedPage(
                lambda: partial(answer, self._registry),
                host,
                port,
                folder=None if self._files is None else self._files.path,
                tls=tls,
                allowed_hosts=allowed_hosts,
                listener=listener,
            )

    @property
    def url(self) -> str | None:
        """Where the metrics are served, None when they are not."""
        return None if self._page is None else self._page.url

    @property
    def is_news(self) -> bool:
        """Whether this process is the first of several to serve the metrics there."""
        return self._page is not None and self._page.is_news

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """Write the files of this process, if it is one of several; remember which spans waited for long."""
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
        """Leave the port to the parent. The metrics of the child are in its registry, or in files of its own."""
        self._exemplars.clear()
        if self._page is not None:
            self._page.after_fork_in_child()
        if self._files is not None:
            _processes[self._folder] = os.getpid()
            self._files.after_fork_in_child()
        # The last numbers of a child are missing in the files until it has written them.
        return self._files is not None

    def _samples(self) -> Samples:
        return samples_of_process(telemetry.snapshot(), self._exemplars)

    def _register(self) -> None:
        try:
            self._collector.register(self._registry)
        except ValueError:
            raise ValueError(
                "expected a registry without the metrics of thread.telemetry, got one that has them already: "
                "shut down the PrometheusExporter that was registered first"
            ) from None


def from_environment(
    port: int | None = None, host: str | None = None, *, listener: Listener | None = None
) -> PrometheusExporter:
    """The exporter of the name `prometheus`, serving prometheus_client's default registry.

    What is not given comes from the environment: the address from `THREAD_TELEMETRY_HOST` and `THREAD_TELEMETRY_PORT`,
    else it is port 9464 of 127.0.0.1; the options of `PrometheusExporter` from `THREAD_TELEMETRY_CERTFILE`, `_KEYFILE`,
    `_CLIENT_CAFILE`, `_CLIENT_CAPATH`, `_CLIENT_AUTH_REQUIRED`, `_TLS_MIN_VERSION` (1.2 or 1.3), `_ALLOWED_HOSTS`
    (names separated by commas) and `_CLIENT_FILES`. What makes no sense there is one line on stderr, and the default is
    used; but no page is served where it was to be served by HTTPS and cannot: that raises RuntimeError.
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
        _complain(f"THREAD_TELEMETRY_{name}: expected 1 or 0, got {text!r}; {int(otherwise)} is used")
        return otherwise
    return text in ("1", "true", "yes", "on")


def _tls_version(text: str | None) -> ssl.TLSVersion | None:
    if text is None:
        return None
    import ssl

    versions = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    if text not in versions:
        _complain(f"THREAD_TELEMETRY_TLS_MIN_VERSION: expected 1.2 or 1.3, got {text!r}; 1.3 is used")
    return versions.get(text, ssl.TLSVersion.TLSv1_3)


_processes: Final[dict[str, int]] = {}
"""Which process this was when it began to write to a folder."""


def _files_in(folder: str, client_files: bool) -> ProcessFiles:
    if _processes.get(folder) == os.getpid():
        raise ValueError(
            f"{VARIABLE}: expected a folder without the metrics of this process, got {folder!r}, which has them "
            "already: shut down the PrometheusExporter that was made first"
        )
    files = ProcessFiles(folder, client_files=client_files)
    _processes[folder] = os.getpid()
    return files


def _both_files(certfile: str | None, keyfile: str | None) -> str:
    if not certfile or not keyfile:
        raise ValueError(f"expected both certfile and keyfile, got {certfile!r} and {keyfile!r}")
    return certfile


def _complain(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"thread: {line}\n")


def _check_port(source: str, port: int) -> int:
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError(f"{source}: expected a port number from 0 to 65535, got {port!r}")
    return port
