"""Clients have idle connections to the page when the program ends.

It must end at once, and the next program gets the port at once. Exits with status 0 on success.
After prometheus/client_python#155 and #102.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request

PROGRAM = "import sys\nprint('up', flush=True)\nsys.stdin.read()\n"

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
environment = {**os.environ, "THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_PORT": str(port)}
took, served, kept = [], 0, []
for _ in range(3):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    program.stdout.readline()
    for _ in range(100):
        try:
            kept.append(socket.create_connection(("127.0.0.1", port)))
            kept.append(socket.create_connection(("127.0.0.1", port)))
            kept[-1].sendall(b"GET /metr")
            served += urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).status == 200
            break
        except OSError:
            time.sleep(0.1)
    began = time.monotonic()
    program.stdin.close()
    program.wait(20)
    took.append(round(time.monotonic() - began, 2))
print("served:", served, "seconds to the end:", took)
sys.exit(served != 3 or max(took) > 5)
