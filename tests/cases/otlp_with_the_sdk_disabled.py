"""OTEL_SDK_DISABLED=true turns all signals off, as in a development environment (opentelemetry-python 3184)."""

import http.server
import os
import subprocess
import sys
import threading

received = []


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        received.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = dict(
    os.environ,
    THREAD_TELEMETRY="1",
    THREAD_TELEMETRY_EXPORTERS="otlp",
    OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{server.server_port}",
)
program = "import threading; t = threading.Thread(target=int); t.start(); t.join()"
subprocess.run([sys.executable, "-c", program], env=base, check=True)
enabled, received[:] = received[:], []
subprocess.run([sys.executable, "-c", program], env={**base, "OTEL_SDK_DISABLED": "true"}, check=True)
print("enabled:", enabled, "disabled:", received)
sys.exit(not enabled or bool(received))
