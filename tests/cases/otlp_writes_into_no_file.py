"""A program that becomes a daemon closes every descriptor that it does not know, and its own files get those numbers.
The exporter `otlp` never closes these files or writes to them.

Exits with status 0 on success. After globus/globus-compute#2106 and tox-dev/filelock#633.
"""

import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    received = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        Receiver.received += 1

    def log_message(self, *arguments):
        pass


def become_daemon():
    from thread import telemetry
    from thread_exporters.otlp import OtlpExporter

    class Quick(OtlpExporter):
        exports = 0

        def export(self, snapshot, events):
            dropped = super().export(snapshot, events)
            self.exports += 1
            return dropped

    def wait_for_exports(number):
        deadline = time.monotonic() + 20
        while exporter.exports < number and time.monotonic() < deadline:
            time.sleep(0.01)
        assert exporter.exports >= number

    exporter = Quick()
    telemetry.start(exporter, export_interval=0.2)
    wait_for_exports(2)
    time.sleep(0.05)
    os.closerange(3, 256)
    logs = [Path(f"log{number}") for number in range(8)]
    descriptors = [os.open(log, os.O_RDWR | os.O_CREAT) for log in logs]
    files = [os.fstat(descriptor).st_ino for descriptor in descriptors]
    wait_for_exports(exporter.exports + 3)
    telemetry.stop()
    assert [os.fstat(descriptor).st_ino for descriptor in descriptors] == files
    assert [log.stat().st_size for log in logs] == [0] * 8


if len(sys.argv) > 1:
    become_daemon()
    sys.exit()

server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
done = subprocess.run([sys.executable, __file__, "daemon"], env=environment)
print(f"{Receiver.received} requests")
sys.exit(done.returncode or Receiver.received < 5)
