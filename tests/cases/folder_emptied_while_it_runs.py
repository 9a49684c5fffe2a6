"""Somebody empties PROMETHEUS_MULTIPROC_DIR while a process runs: its numbers are on the page again, and they grow.

Exits with status 0 on success. After lablup/backend.ai#10072 and prometheus/client_python#1167.
"""

import os
import shutil
import sys
import tempfile
import threading
import time

folder = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp()

from thread import telemetry
from thread_exporters.prometheus import PrometheusExporter, make_wsgi_app

telemetry.instrument()
telemetry.start(PrometheusExporter(), export_interval=0.05)
page = make_wsgi_app()
guard = threading.Lock()


def shown() -> str:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics"}
    body = b"".join(page(environ, lambda status, headers: None)).decode()
    lines = [line for line in body.splitlines() if line.startswith("python_lock_acquisitions_total{")]
    return " ".join(line.split()[-1] for line in lines if '"__main__:guard"' in line)


def wait_for(number: str) -> bool:
    deadline = time.monotonic() + 20
    while shown() != number and time.monotonic() < deadline:
        time.sleep(0.02)
    return shown() == number


def use(times: int) -> None:
    for _ in range(times):
        with guard:
            pass


def remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # It was one that is written at this moment.


use(1)
seen = [wait_for("1")]
for name in os.listdir(folder):
    remove(os.path.join(folder, name))
use(4)
seen.append(wait_for("5"))
shutil.rmtree(folder, ignore_errors=True)
use(5)
seen.append(wait_for("10"))
locks = sum(name.endswith(".lock") for name in os.listdir(folder))
telemetry.stop()
print("seen:", seen, "lock files:", locks)
sys.exit(seen != [True, True, True] or locks != 1)
