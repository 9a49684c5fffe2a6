"""A program becomes a daemon in the usual way: it forks twice and closes every descriptor.

The daemon serves the page once its parents are gone, and we write nothing into the files that it opens.
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
import os, sys, threading
from thread import telemetry
telemetry.instrument()
guard = telemetry.named(threading.Lock(), "guard of the daemon")
if "THREAD_TELEMETRY" not in os.environ:
    telemetry.start("prometheus", export_interval=0.1)
for _ in range(2):
    if os.fork():
        os._exit(0)
    os.setsid()
for descriptor in range(3, 256):
    try:
        os.close(descriptor)
    except OSError:
        pass
with open(sys.argv[2], "w") as told:
    told.write(str(os.getpid()))
mine = [open(os.path.join(sys.argv[1], str(number)), "wb") for number in range(20)]
for _ in range(7):
    with guard:
        pass
stop = threading.Event()
stop.wait(60)
"""

if not hasattr(os, "fork"):
    print("no fork here")
    sys.exit(77)
folder, shared = tempfile.mkdtemp(), tempfile.mkdtemp()
wrong = []
for multiprocess, activated in ((False, False), (True, False), (False, True)):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "THREAD_TELEMETRY_PORT": str(port)}
    if multiprocess:
        environment["PROMETHEUS_MULTIPROC_DIR"] = shared
    if activated:
        environment["THREAD_TELEMETRY"] = "1"
        environment["THREAD_TELEMETRY_EXPORT_INTERVAL"] = "0.1"
    told = os.path.join(tempfile.mkdtemp(), "number")
    subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM, folder, told], env=environment, timeout=60)
    page, deadline = "", time.monotonic() + 30
    while 'python_lock_name="guard of the daemon",python_lock_type="lock"} 7' not in page:
        if time.monotonic() > deadline:
            wrong.append(f"multiprocess: {multiprocess}, activated: {activated}, no page: {page[-200:]}")
            break
        time.sleep(0.05)
        try:
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        except OSError as error:
            page = str(error)
    wrong += [name for name in os.listdir(folder) if os.path.getsize(os.path.join(folder, name))]
    with open(told) as number:
        os.kill(int(number.read()), signal.SIGKILL)
print("wrong:", wrong or "nothing")
sys.exit(bool(wrong))
