"""A client connects while the program has no descriptors left: the server does not spin, and answers once there is one.

Exits with status 0 on success.
"""

import os
import socket
import sys
import time
import urllib.request

from prometheus_client import CollectorRegistry

from thread_exporters.prometheus import PrometheusExporter

try:
    import resource
except ImportError:
    print("no limit of descriptors here")
    sys.exit(77)

exporter = PrometheusExporter(CollectorRegistry(), port=0)
host, _, port = exporter.url.removeprefix("http://").removesuffix("/metrics").rpartition(":")
urllib.request.urlopen(exporter.url, timeout=20).read()
resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
client = socket.socket()
kept = []
try:
    while True:
        kept.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
client.connect((host, int(port)))
client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
began, used = time.monotonic(), time.process_time()
time.sleep(1.0)
busy = (time.process_time() - used) / (time.monotonic() - began)
for descriptor in kept[:20]:
    os.close(descriptor)
client.settimeout(20)
answered = client.recv(100)
print(f"busy: {busy:.0%}, answered: {answered[:20]!r}")
sys.exit(busy > 0.5 or not answered.startswith(b"HTTP/1.0 200"))
