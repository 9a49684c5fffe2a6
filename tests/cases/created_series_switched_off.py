"""`disable_created_metrics()` of prometheus_client switches off our `_created` series as well.

Exits with status 0 on success. After prometheus/client_python#933 and #973.
"""

import sys
import threading

import prometheus_client

from thread import telemetry
from thread_exporters.prometheus import PrometheusExporter, make_wsgi_app

telemetry.instrument()
guard = threading.Lock()
with guard:
    pass
registry = prometheus_client.CollectorRegistry()
exporter = PrometheusExporter(registry)
application = make_wsgi_app(registry)


def created() -> int:
    accept = "application/openmetrics-text; version=1.0.0"
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "HTTP_ACCEPT": accept}
    text = b"".join(application(environ, lambda status, headers: None)).decode()
    return sum("_created{" in line for line in text.splitlines())


before = created()
prometheus_client.disable_created_metrics()
after = created(), prometheus_client.generate_latest(registry).decode().count("_created")
print("before:", before, "after:", after)
sys.exit(not before or after != (0, 0))
