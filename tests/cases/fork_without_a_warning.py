"""A program with a single thread forks without a warning, even if we have threads. Since 3.12 the interpreter warns of
forks in a process with several threads, and since 3.15 `-W error` turns that into an exception.

Exits with status 0 on success. After mitogen-hq/mitogen#1112 and uqfoundation/multiprocess#166.
"""

import os
import subprocess
import sys
from pathlib import Path

FORKING = """
import os, pty, subprocess, time

def forked(fork):
    pid = fork()
    pid = pid[0] if isinstance(pid, tuple) else pid
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

def has_terminals():
    try:
        os.openpty()
    except OSError:
        return False
    return True

for _ in range(10):
    forked(os.fork)
    if has_terminals():
        forked(pty.fork)
    subprocess.run(["true"], preexec_fn=lambda: None, check=True)
    time.sleep(0.005)
print("done")
"""

program = Path("forking.py")
program.write_text(FORKING)


def run(*command: str, **variables: str) -> tuple[int, str, bool]:
    done = subprocess.run(
        [sys.executable, *command, str(program)], env={**os.environ, **variables}, capture_output=True, text=True
    )
    return done.returncode, done.stdout, "multi-threaded" in done.stderr


AS_ERRORS = "-W", "error:This process:DeprecationWarning"
OBSERVED = {"THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_PORT": "0", "THREAD_TELEMETRY_EXPORT_INTERVAL": "0.01"}
# Nothing listens there.
OTLP = OBSERVED | {"THREAD_TELEMETRY_EXPORTERS": "otlp,prometheus", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
ways = {
    "run": run("-m", "thread", "run", "--exporter", "console"),
    "environment": run(**OBSERVED),
    "environment, errors": run(*AS_ERRORS, **OBSERVED),
    "otlp, errors": run(*AS_ERRORS, **OTLP, THREAD_TELEMETRY_EXPORT_TIMEOUT="0.5"),
}
wrong = {how: result for how, result in ways.items() if result != (0, "done\n", False)}
print("plain:", run(*AS_ERRORS), "wrong:", wrong or "nothing")
sys.exit(bool(wrong))
