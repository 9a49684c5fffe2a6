"""Two services of one user want the same port, each with its own folder: the second logs that it cannot have the port.

No scrape shows the numbers of the second, and when the first is gone, the second gets the port at its next export.
Exits with status 0 on success.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

PROGRAM = """
import sys, threading
from thread import telemetry
telemetry.instrument()
lock = telemetry.named(threading.Lock(), "lock of " + sys.argv[1])
with lock:
    pass
telemetry.start("prometheus", export_interval=0.1)
print("ready", flush=True)
sys.stdin.readline()
"""

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]


def start(service: str) -> subprocess.Popen:
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": tempfile.mkdtemp(),
        "THREAD_TELEMETRY_PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, service],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    return process


def shown() -> str:
    try:
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=8).read().decode()
    except OSError:
        return ""
    return "".join(service for service in "AB" if f'python_lock_name="lock of {service}"' in page)


def wait_for(service: str) -> bool:
    deadline = time.monotonic() + 30
    while shown() != service and time.monotonic() < deadline:
        time.sleep(0.05)
    return shown() == service


first = start("A")
served = wait_for("A")
second = start("B")
seen = {shown() for _ in range(20)}
first.communicate(b"\n")
taken = wait_for("B")
_, said = second.communicate(b"\n")
print(f"first served: {served}, seen: {seen}, taken over: {taken}, the second said: {said.decode()!r}")
sys.exit(not served or seen != {"A"} or not taken or b": Address already in use; continuing without them" not in said)
