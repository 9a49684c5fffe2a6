"""A Python program in a child process that writes to a log, ends on Ctrl-C and never outlives its parent."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

PATIENCE = 30.0
"""Seconds a process has to end after Ctrl-C."""


class ChildProcess:
    """`python ARGUMENTS…`, running at most as long as the `with` block."""

    def __init__(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._environment = os.environ if environment is None else environment
        self._command = [sys.executable, *arguments]

    def __enter__(self) -> ChildProcess:
        environment = {**self._environment, "COLUMNS": str(terminal_width())}
        if sys.stdout.isatty():
            environment.setdefault("FORCE_COLOR", "1")
        with self.log.open("wb") as log:
            # In its own session, so that Ctrl-C in the terminal reaches only this process, which then ends its
            # children one by one.
            self._process = subprocess.Popen(
                self._command,
                cwd=Path(__file__).parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return self._process.poll()

    def output(self) -> str:
        """Return everything it has written so far."""
        return self.log.read_text(errors="replace").strip("\n")

    def wait_for_output(self) -> None:
        """Wait until it has written something or ended. Ctrl-C in the middle of its imports may look like a bug."""
        deadline = time.monotonic() + PATIENCE
        while not self.log.stat().st_size and self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)

    def interrupt(self) -> tuple[int, str]:
        """End it with Ctrl-C. Returns its exit status and its output since then, or all output if it had ended."""
        written = 0
        if self._process.poll() is None:
            written = self.log.stat().st_size
            self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        return status, self.log.read_bytes()[written:].decode(errors="replace").strip("\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def terminal_width() -> int:
    """Return the width of the terminal in columns, or a default without a terminal."""
    return shutil.get_terminal_size(fallback=(120, 24)).columns


def how_it_ended(status: int) -> str:
    """Describe an exit status in words."""
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
