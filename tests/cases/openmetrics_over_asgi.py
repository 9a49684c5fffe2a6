"""The ASGI application serves OpenMetrics for its Accept header, as the WSGI one does.

With the content type of version 1.0.0 and `# EOF` once at the end; HEAD has the same headers and no body; each family
has one TYPE and one HELP. Exits with status 0 on success. After prometheus/client_python#861 and #901.
"""

import asyncio
import sys
import threading
from collections import Counter

from prometheus_client import CollectorRegistry

from thread import telemetry
from thread_exporters.prometheus import PrometheusExporter, make_asgi_app

telemetry.instrument()
guard = threading.Lock()
with guard:
    pass
registry = CollectorRegistry()
exporter = PrometheusExporter(registry)
application = make_asgi_app(registry)


async def ask(method: str, accept: bytes) -> tuple[int, dict[bytes, bytes], str]:
    sent = []
    scope = {"type": "http", "method": method, "path": "/metrics", "query_string": b""}
    scope["headers"] = [(b"accept", accept)]

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await application(scope, None, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"].decode()


OPENMETRICS = b"application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
status, headers, text = asyncio.run(ask("GET", OPENMETRICS))
head = asyncio.run(ask("HEAD", OPENMETRICS))
names = Counter(line.split()[2] for line in text.splitlines() if line.startswith("# TYPE"))
wrong = []
if status != 200 or not headers[b"content-type"].startswith(b"application/openmetrics-text; version=1.0.0"):
    wrong.append(headers)
if not text.endswith("# EOF\n") or text.count("# EOF") != 1:
    wrong.append("end")
if max(names.values()) != 1 or len(names) < 10:
    wrong.append("twice")
if head[0] != 200 or head[1].keys() != headers.keys() or head[2]:
    wrong.append(head)
if head[1][b"content-type"] != headers[b"content-type"]:
    wrong.append(head)
print("wrong:", wrong or "nothing", len(names), "families")
sys.exit(bool(wrong))
