"""A browser asks for /favicon.ico as well, and that must not write all metrics a second time.

Exits with status 0 on success. After prometheus/client_python#631.
"""

import sys

from prometheus_client import CollectorRegistry

from thread_exporters.prometheus import PrometheusExporter, make_wsgi_app

registry = CollectorRegistry()
exporter = PrometheusExporter(registry)


def length(path: str) -> int:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": ""}
    return len(b"".join(make_wsgi_app(registry)(environ, lambda status, headers: None)))


print("page:", length("/metrics"), "icon:", length("/favicon.ico"))
sys.exit(not length("/metrics") or length("/favicon.ico") != 0)
