"""A program whose collector is dead ends within `export_timeout`, here 1 s, and logs one line (dd-trace-py 19915)."""

import http.server
import os
import socket
import subprocess
import sys
import threading
import time


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
silent = socket.create_server(("127.0.0.1", 0))


def seconds(endpoint, lines):
    environment = dict(
        os.environ,
        THREAD_TELEMETRY="1",
        THREAD_TELEMETRY_EXPORTERS="otlp",
        THREAD_TELEMETRY_EXPORT_TIMEOUT="1",
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", "pass"], env=environment, capture_output=True, text=True, check=True)
    took = time.monotonic() - began
    assert len(done.stderr.splitlines()) == lines, done.stderr
    return took


took = {
    "an answer": seconds(f"http://127.0.0.1:{server.server_port}", lines=0),
    "refused": seconds("http://127.0.0.1:1", lines=1),
    "silence": seconds(f"http://127.0.0.1:{silent.getsockname()[1]}", lines=1),
}
print({what: round(each, 2) for what, each in took.items()})
# Allow 8 s more on a busy machine; the client itself would go on for 10 s or longer.
sys.exit(max(took["refused"], took["silence"]) > took["an answer"] + 1 + 8)
