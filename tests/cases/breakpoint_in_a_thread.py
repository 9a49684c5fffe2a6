"""A breakpoint of debugpy in threads, with the package merely installed and with everything observed: it is hit.

pydevd, which debugpy is made of, tries `import thread` first and replaces there what starts threads.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from typing import Any

if find_spec("debugpy") is None:
    print("debugpy is not installed")
    sys.exit(77)

INSTALLED = """
import _thread, threading
done = threading.Semaphore(0)
def work():
    done.release()  # breakpoint
_thread.start_new_thread(work, ())
done.acquire()
threading.Thread(target=work).start()
done.acquire()
"""
OBSERVED = "from thread import telemetry; telemetry.instrument()" + INSTALLED
OBSERVED += "targets = [(each.target, each.started) for each in telemetry.snapshot().threads]\n"
OBSERVED += "assert targets == [('__main__:work', 2)], targets\nassert not telemetry.snapshot().coverage.faults\n"


class Client:
    """A minimal client of the Debug Adapter Protocol."""

    def __init__(self, port: int) -> None:
        deadline = time.monotonic() + 40
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", port))
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        connection.settimeout(40)
        self.stream = connection.makefile("rwb")
        self.sent = 0

    def send(self, command: str, **arguments: Any) -> None:
        self.sent += 1
        message = {"seq": self.sent, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(message).encode()
        self.stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.stream.flush()

    def receive(self) -> dict[str, Any] | None:
        """Return the next message. None if the program has ended."""
        length = 0
        try:
            while line := self.stream.readline().strip():
                length = int(line.split(b":")[1])
            return json.loads(self.stream.read(length)) if length else None
        except ConnectionError:
            return None


def hits_of(client: Client, program: str, line: int) -> int:
    hits = 0
    client.send("initialize", adapterID="x", clientID="x")
    while True:
        message = client.receive()
        if message is None or message.get("event") in ("terminated", "exited"):
            return hits
        if message.get("command") == "initialize":
            client.send("attach", justMyCode=True)
        elif message.get("event") == "initialized":
            client.send("setBreakpoints", source={"path": program}, breakpoints=[{"line": line}])
            client.send("configurationDone")
        elif message.get("event") == "stopped":
            hits += 1
            client.send("continue", threadId=message["body"]["threadId"])


def run(source: str) -> tuple[int, int]:
    """Return the number of hits of the breakpoint, and the exit status."""
    program = os.path.join(tempfile.mkdtemp(), "program.py")
    with open(program, "w") as file:
        file.write(source)
    line = next(number for number, text in enumerate(source.splitlines(), 1) if "# breakpoint" in text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-Xfrozen_modules=off", "-m", "debugpy", "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen([*command, "--wait-for-client", program], stderr=subprocess.DEVNULL)
    try:
        hits = hits_of(Client(port), program, line)
        return hits, process.wait(40)
    finally:
        process.kill()
        process.wait()


found = [run(source) for source in (INSTALLED, OBSERVED)]
print("hits and status, installed and observed:", found)
sys.exit(found != [(2, 0), (2, 0)])
