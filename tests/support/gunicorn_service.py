"""A real gunicorn for tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent


@contextmanager
def gunicorn(folder: Path, service: str, *options: str, complaints: str = "", **environment: str) -> Iterator[str]:
    """Two threaded workers that serve the `app` of a module given as text; their address. Ends them with SIGTERM.

    They have to end well, and to log nothing that matches `complaints` or tells of trouble.
    """
    (folder / "service.py").write_text(dedent(service))
    command = [sys.executable, "-m", "gunicorn", "-k", "gthread", "-w", "2", *options]
    trouble = "|".join(filter(None, (r"Traceback|\[ERROR\]|\[CRITICAL\]|SIGKILL|thread: ", complaints)))
    with subprocess.Popen(
        [*command, "--bind", "127.0.0.1:0", "--graceful-timeout", "30", "--no-control-socket", "service:app"],
        cwd=folder,
        # It leaves sockets and state files in the home folder.
        env=os.environ | {"THREAD_TELEMETRY": "1", "HOME": str(folder)} | environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # This ends a hanging gunicorn, and the loops that read from it.
        watchdog = threading.Timer(90, process.kill)
        watchdog.start()
        try:
            assert process.stderr is not None
            log = ""
            while not (listening := re.search(r"Listening at: (http://\S+)", log)):
                line = process.stderr.readline()
                assert line, log
                log += line
            yield listening[1]
            process.terminate()
            log += process.stderr.read()
            assert process.wait(30) == 0, log
            assert not re.search(trouble, log), log
        finally:
            watchdog.cancel()
            process.kill()
