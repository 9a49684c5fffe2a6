"""A finalizer that waits forever at the end of the interpreter gets PythonFinalizationError.

The interpreter's own locks do the same since 3.15; before, the process hung forever (gh-123940).
"""

import subprocess
import sys
import textwrap

if sys.version_info < (3, 15):
    print("the interpreter's own lock waits for ever")
    sys.exit(77)

WAITS = {
    "a lock": "hold = threading.Lock(); want = hold.acquire",
    "an rlock": "hold = threading.RLock(); want = hold.acquire",
    "a lock, for a second": "hold = threading.Lock(); want = lambda: hold.acquire(timeout=1)",
    "a semaphore": "hold = threading.Semaphore(); want = hold.acquire",
    "a condition": "hold = threading.Condition(); want = hold.acquire",
    "an event": "hold = threading.Lock(); want = threading.Event().wait",
    "a queue": "hold = threading.Lock(); want = queue.Queue().get",
    "a join": "hold = threading.Lock(); want = lambda: thread.join()",
}
PROGRAM = """
    from thread import telemetry
    telemetry.instrument()
    import queue, threading, time
    {wait}
    held = threading.Event()

    def keep():
        with hold:
            held.set()
            while True:
                time.sleep(1)

    class Cycle:
        def __init__(self):
            self.itself = self

        def __del__(self, print=print, want=want):
            try:
                want()
            except BaseException as error:
                print(type(error).__name__, flush=True)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    held.wait()
    Cycle()
"""

wrong = []
for name, wait in WAITS.items():
    program = textwrap.dedent(PROGRAM).format(wait=wait)
    try:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
        output = done.stdout.strip()
    except subprocess.TimeoutExpired:
        output = "stood still"
    if output != "PythonFinalizationError":
        wrong.append(f"{name}: {output}")
sys.exit("\n".join(wrong) or 0)
