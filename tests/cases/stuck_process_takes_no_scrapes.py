"""Processes share a port. If one is stopped, or holds the GIL in a long call into C, the others answer.

Exits with status 0 on success.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

PROGRAM = """
import re, sys
from thread import telemetry
telemetry.instrument()
telemetry.start("prometheus", export_interval=0.1)
print("ready", flush=True)
sys.stdin.readline()
re.match(r"(a+)+$", "a" * 40 + "b")
"""

if not hasattr(socket, "send_fds"):
    print("no sockets can be shared here")
    sys.exit(77)
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
environment = {
    **os.environ,
    "PROMETHEUS_MULTIPROC_DIR": tempfile.mkdtemp(),
    "THREAD_TELEMETRY_PORT": str(port),
}


def start() -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    return process


def stop(process: subprocess.Popen) -> None:
    """Stop every thread of a process. Until all have stopped, one may still accept a client."""
    process.send_signal(signal.SIGSTOP)
    while any(status_of(task) != "T" for task in os.listdir(f"/proc/{process.pid}/task")):
        time.sleep(0.001)


def status_of(task: str) -> str:
    with open(f"/proc/{task}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def failed(scrapes: int) -> int:
    failures = 0
    for _ in range(scrapes):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=8).read()
        except OSError:
            failures += 1
    return failures


# The first process leads.
processes = [start() for _ in range(4)]
results = {"all": failed(3)}
stop(processes[0])
results["one stopped"] = failed(4)
processes[1].stdin.write(b"go\n")
processes[1].stdin.flush()
time.sleep(0.3)
results["one stopped, one holds the GIL"] = failed(4)
processes[0].kill()
results["one killed, one holds the GIL"] = failed(4)
processes.append(start())
for process in (*processes[:2], processes[2]):
    process.kill()
results["the last and a new one"] = failed(4)
for process in processes:
    process.kill()
    process.wait()
print("scrapes that failed:", results)
sys.exit(any(results.values()))
