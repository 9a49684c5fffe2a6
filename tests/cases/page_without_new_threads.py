"""The page answers while no thread can be started and other clients are idle. Exits with status 0 on success."""

import socket
import sys
import threading
import urllib.request

from prometheus_client import CollectorRegistry

from thread import telemetry
from thread_exporters.prometheus import PrometheusExporter

telemetry.instrument()
exporter = PrometheusExporter(CollectorRegistry(), port=0)
telemetry.start(exporter)
host, _, port = exporter.url.removeprefix("http://").removesuffix("/metrics").rpartition(":")
threading.stack_size(1 << 46)
try:
    threading.Thread(target=len, args=("",)).start()
except RuntimeError:
    pass
else:
    print("a thread of 64 TiB can be started here")
    sys.exit(77)
silent = [socket.create_connection((host, int(port))) for _ in range(3)]
silent[0].sendall(b"GET /metrics HTTP/1.1\r\nX: ")
answered = urllib.request.urlopen(exporter.url, timeout=20).status
print("answered:", answered)
threading.stack_size(0)
telemetry.stop()
sys.exit(answered != 200)
