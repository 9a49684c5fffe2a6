"""A client may ask for any format. It gets a page in some format or a refusal, and the program's stderr gets nothing.

Exits with status 0 on success. After prometheus/client_python#1102.
"""

import http.client
import io
import sys

from prometheus_client import CollectorRegistry

from thread_exporters.prometheus import PrometheusExporter

exporter = PrometheusExporter(CollectorRegistry(), port=0)
host, _, port = exporter.url.removeprefix("http://").removesuffix("/metrics").rpartition(":")
said = sys.stderr = io.StringIO()
statuses = {}
for accepted in (
    "application/openmetrics-text; version=latest",
    "application/openmetrics-text; version=1.x",
    "application/openmetrics-text; version=",
    "text/plain; version=abc",
    "*/*;q=x",
    ";;,=;",
):
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    connection.request("GET", "/metrics", headers={"Accept": accepted})
    statuses[accepted] = connection.getresponse().status
    connection.close()
sys.stderr = sys.__stderr__
exporter.shutdown(1)
print(statuses, "on stderr:", repr(said.getvalue()))
sys.exit(any(status >= 500 for status in statuses.values()) or bool(said.getvalue()))
