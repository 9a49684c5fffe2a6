"""The first client of a page connects while the program has no descriptors left, and is served once there are some.

Exits with status 0 on success.
"""

import os
import socket
import subprocess
import sys
import urllib.request

PROGRAM = """
import os, resource, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
kept = []
try:
    while True:
        kept.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
print("none left", flush=True)
sys.stdin.readline()
used = time.process_time()
time.sleep(1)
print(time.process_time() - used < 0.5, flush=True)
for descriptor in kept[:30]:
    os.close(descriptor)
sys.stdin.readline()
"""

if sys.platform != "linux":
    print("only Linux counts descriptors like this")
    sys.exit(77)
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
program = subprocess.Popen(
    [sys.executable, "-c", PROGRAM],
    env={**os.environ, "THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_PORT": str(port)},
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
)
program.stdout.readline()
first = socket.create_connection(("127.0.0.1", port))
first.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
program.stdin.write("\n")
program.stdin.flush()
is_idle = program.stdout.readline().strip()
first.settimeout(30)
answered = first.recv(100)
status = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).status
program.communicate("\n")
print(f"idle: {is_idle}, first answer: {answered[:20]!r}, second: {status}")
sys.exit(is_idle != "True" or not answered.startswith(b"HTTP/1.0 200") or status != 200)
