"""With `exception_details` off, no output has an exception's message or notes or a line of source: neither the page,
nor the report, nor OTLP.

Exits with status 0 on success.
"""

import gzip
import os
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MARKS = "MARK_MESSAGE", "MARK_CAUSE", "MARK_NOTE", "MARK_SOURCE"
bodies = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        bodies.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def fail():
    try:
        raise KeyError("MARK_CAUSE")
    except KeyError as cause:
        error = ValueError("MARK_MESSAGE")
        error.add_note("MARK_NOTE")
        raise error from cause  # MARK_SOURCE


def observed():
    import concurrent.futures

    from opentelemetry import trace

    from thread import telemetry
    from thread_exporters.prometheus import PrometheusExporter

    telemetry.instrument()
    page = PrometheusExporter(port=0)
    telemetry.start("otlp", "console", page)
    threading.excepthook = lambda arguments: None
    with trace.get_tracer("test").start_as_current_span("request"):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        executor.submit(fail)
    assert page.url is not None
    print(urllib.request.urlopen(page.url).read().decode())
    print(telemetry.snapshot().exceptions)


if len(sys.argv) > 1:
    observed()
    sys.exit()

server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()


def found_with(details):
    bodies.clear()
    environment = os.environ | {
        "THREAD_TELEMETRY_EXCEPTION_DETAILS": details,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN": "logs/dup",
    }
    done = subprocess.run([sys.executable, __file__, "observed"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    everything = done.stdout + done.stderr + b"".join(bodies).decode("latin-1")
    assert "ValueError" in everything and "fail" in everything
    return sorted(mark for mark in MARKS if mark in everything)


with_details, without = found_with("1"), found_with("0")
print("with details:", with_details, "without:", without)
sys.exit(with_details != sorted(MARKS) or bool(without))
