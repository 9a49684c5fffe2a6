"""The environment variables that are not settings, for `--help` and the documentation.

Each is read where it is needed: by the start of the interpreter, the build, or an exporter.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .environment import EXPORTERS, EXPORTERS_OF_RUN, EXPORTERS_OF_VARIABLE


class Variable(NamedTuple):
    """An environment variable and its default, as a user writes them."""

    name: str
    default: str
    help: str
    """One line without a full stop."""
    see: str = ""
    """Further documentation, as Markdown."""
    is_for_programs: bool = True
    """True if `thread run --help` explains it."""


_TLS: Final = "See [who can read the page](production.md#who-can-read-the-page)"
_SHARED_PAGE: Final = "See [several processes, one page](production.md#several-processes-one-page)"

VARIABLES: Final = (
    Variable("THREAD_TELEMETRY", "0", "1: observe every Python process that inherits it", is_for_programs=False),
    Variable(
        EXPORTERS,
        ",".join(EXPORTERS_OF_RUN),
        "exporters, separated by commas; none: record only",
        f"With `THREAD_TELEMETRY=1` the default is `{','.join(EXPORTERS_OF_VARIABLE)}`",
    ),
    Variable("THREAD_TELEMETRY_PORT", "9464", "port of the metrics page; 0: any free port"),
    Variable("THREAD_TELEMETRY_HOST", "127.0.0.1", "address of the metrics page; 0.0.0.0: all"),
    Variable("THREAD_TELEMETRY_REPORT", "stderr", "file of the report"),
    Variable("THREAD_TELEMETRY_REPORT_FORMAT", "text", "format of the report: text or json"),
    Variable("THREAD_TELEMETRY_ALLOWED_HOSTS", "", "host names of the metrics page, separated by commas", _TLS, False),
    Variable("THREAD_TELEMETRY_CERTFILE", "", "certificate: serve the metrics page by HTTPS", _TLS, False),
    Variable("THREAD_TELEMETRY_KEYFILE", "", "key of the certificate", _TLS, False),
    Variable("THREAD_TELEMETRY_TLS_MIN_VERSION", "", "oldest TLS version to accept: 1.2 or 1.3", _TLS, False),
    Variable("THREAD_TELEMETRY_CLIENT_CAFILE", "", "file of authorities that sign client certificates", _TLS, False),
    Variable("THREAD_TELEMETRY_CLIENT_CAPATH", "", "folder of authorities that sign client certificates", _TLS, False),
    Variable("THREAD_TELEMETRY_CLIENT_AUTH_REQUIRED", "0", "1: refuse clients without a certificate", _TLS, False),
    Variable("PROMETHEUS_MULTIPROC_DIR", "", "folder through which processes share one page", _SHARED_PAGE, False),
    Variable(
        "THREAD_TELEMETRY_CLIENT_FILES",
        "0",
        "1: write prometheus_client's own files into `PROMETHEUS_MULTIPROC_DIR` as well",
        _SHARED_PAGE,
        False,
    ),
    Variable("THREAD_TELEMETRY_PURE", "0", "1: use the core written in Python, not the one in C"),
    Variable(
        "THREAD_TELEMETRY_REQUIRE_EXTENSION", "0", "1, during a build: fail without the C core", is_for_programs=False
    ),
)
