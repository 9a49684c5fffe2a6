"""A development server with a reloader runs the service in a child, and only watches files itself.

The page shows the process that does the work. Source: open-telemetry/opentelemetry-python-contrib#546,
powerfulseal/powerfulseal#191, prometheus/client_python#98.
"""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

SERVICE = """
import os, subprocess, sys, threading, time
if os.environ.get("RELOADED") != "1":
    sys.exit(subprocess.call([sys.executable, *sys.orig_argv[1:]], env={**os.environ, "RELOADED": "1"}))
guard = threading.Lock()
for _ in range(7):
    with guard:
        pass
print("serving", flush=True)
time.sleep(30)
"""
with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as file:
    file.write(SERVICE)
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
environment = {**os.environ, "THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_PORT": str(port)}
service = subprocess.Popen(
    [sys.executable, file.name],
    env=environment,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
    start_new_session=True,
)
service.stdout.readline()
time.sleep(0.3)
with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
    text = answer.read().decode()
os.killpg(service.pid, signal.SIGKILL)
service.wait()
acquisitions = [line for line in text.splitlines() if line.startswith("python_lock_acquisitions_total{")]
shown = [line.split()[-1] for line in acquisitions if ":guard" in line]
print("acquired 7 times, shown:", shown)
sys.exit(shown != ["7"])
