"""The first client asks for the page after the main thread has ended, while other threads go on.

Exits with status 0 on success.
"""

import os
import socket
import subprocess
import sys

PROGRAM = """
import os, threading, urllib.request
url = "http://127.0.0.1:" + os.environ["THREAD_TELEMETRY_PORT"] + "/metrics"
def work():
    threading.main_thread().join()
    for _ in range(3):
        page = urllib.request.urlopen(url, timeout=30).read()
        print(b'python_thread_started_total{python_thread_target="__main__:work"} 1' in page)
threading.Thread(target=work).start()
"""

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
ran = subprocess.run(
    [sys.executable, "-c", PROGRAM],
    env={**os.environ, "THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_PORT": str(port)},
    capture_output=True,
    text=True,
    timeout=90,
)
print(ran.stdout, ran.stderr)
said = f"thread: metrics at http://127.0.0.1:{port}/metrics\n"
sys.exit(ran.stdout.split() != ["True"] * 3 or ran.stderr != said)
