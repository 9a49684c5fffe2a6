"""Children forked from a process before the first client has asked for its page.

A child that ends soon has only its own thread. A child that lives on takes over the page when its parent has ended.
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
import os, sys, threading, time
done = threading.Event()

def threads_of_child():
    pid = os.fork()
    if pid == 0:
        time.sleep(0.05)
        os._exit(len(sys._current_frames()))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

alone = [threads_of_child() for _ in range(5)]
company = [threading.Thread(target=done.wait, args=(30,)) for _ in range(4)]
for each in company:
    each.start()
not_alone = [threads_of_child() for _ in range(5)]
done.set()
for each in company:
    each.join()
with open(sys.argv[1], "w") as told:
    print(alone + not_alone, file=told)
if os.fork():
    os._exit(0)
with open(sys.argv[1], "a") as told:
    print(os.getpid(), file=told)
guard = threading.Lock()
for _ in range(7):
    with guard:
        pass
threading.Event().wait(60)
"""

if not hasattr(os, "fork"):
    print("no fork here")
    sys.exit(77)
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
told = os.path.join(tempfile.mkdtemp(), "told")
settings = {"THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_PORT": str(port)}
program = [sys.executable, "-W", "ignore", "-c", PROGRAM, told]
subprocess.run(program, env={**os.environ, **settings}, check=True, timeout=60)
page, deadline = "", time.monotonic() + 30
while 'python_lock_name="__main__:guard"' not in page and time.monotonic() < deadline:
    time.sleep(0.05)
    try:
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    except OSError as error:
        page = str(error)
with open(told) as lines:
    threads, process = lines
os.kill(int(process), signal.SIGKILL)
lines = [line for line in page.splitlines() if "guard" in line and "acqui" in line]
print("threads of children:", threads.strip(), "page:", lines or page[-200:])
sys.exit(not (threads.strip() == str([1] * 10) and any(line.endswith(" 7") for line in lines)))
