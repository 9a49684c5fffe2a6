"""Draw the pictures of a terminal, as `make pictures` does: verdict.svg, report.svg and slow-request.svg.

    .venv-3.12/bin/python docs/pictures/terminal.py

The shop runs for a minute under observation. Its customers ask for more than one of its locks lets through.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from rich import _export_format
from rich.console import Console, RenderableType
from rich.text import Text

PICTURES = Path(__file__).resolve().parent
ROOT = PICTURES.parent.parent
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests" / "support")]

from demo import traced_to  # noqa: E402
from request_tree import RequestTree, Traces  # noqa: E402
from servers import free_port  # noqa: E402
from trace_receiver import Span, TraceReceiver  # noqa: E402

LOCK = "shop.cache:Cache._guard"
SERVER_THREADS, CUSTOMERS, RATE = 16, 32, 60
"""Threads that answer, customers at a time, and visits a second: more than the lock lets through at times."""
SHOP = Path(tempfile.gettempdir(), "bicycles")
SECONDS = 60.0
PATIENCE = 60.0
COLUMNS = 96

EXPORTERS = [option for name in ("prometheus", "otlp", "console") for option in ("--exporter", name)]


@dataclass
class Ports:
    """The ports of the shop and of its metrics page."""

    shop: int
    metrics: int


class Paragraphs:
    """The report at the end of a log, with the codes of a terminal, by paragraphs."""

    def __init__(self, log: str) -> None:
        start = log.rindex("\n", 0, log.index("thread telemetry, process")) + 1
        self._all = re.split(r"\n\s*\n", log[start:])
        self._plain = [Text.from_ansi(paragraph).plain.lstrip() for paragraph in self._all]

    def _index(self, beginning: str) -> int:
        return next(index for index, plain in enumerate(self._plain) if plain.startswith(beginning))

    def since(self, beginning: str, count: int) -> list[str]:
        first = self._index(beginning)
        return self._all[first : first + count]

    def at(self, beginning: str) -> str:
        return self.since(beginning, 1)[0]

    def containing(self, word: str, *, after: str) -> str:
        first = self._index(after)
        return next(self._all[index] for index in range(first, len(self._all)) if word in self._plain[index])

    def joined(self, *paragraphs: str) -> Text:
        return Text.from_ansi("\n\n".join(paragraphs))


@dataclass
class RunningShop:
    """The shop, with its customers."""

    log: Path
    load_summary: str = ""
    spans: list[Span] | None = None

    def verdict(self) -> Text:
        """The first lines of the report, and the lock that cost most."""
        report = Paragraphs(self.log.read_text())
        return report.joined(report.at("thread telemetry"), *report.since("Locks", 2))

    def report(self) -> Text:
        """The lock that cost most, and the slowest wait for the catalogue.

        In the slowest wait of all, the owner may have been in the tracing library, a dozen callers below the shop.
        """
        report = Paragraphs(self.log.read_text())
        slow_wait = report.containing("load_catalogue", after="Slow waits")
        return report.joined(*report.since("Locks", 2), "  …", report.at("Slow waits"), slow_wait)

    def slow_request(self) -> RenderableType:
        """One request that waited for the lock of the diagnosis, as a tree of spans."""
        assert self.spans is not None
        traces = Traces(span for span in self.spans if span.attributes.get("python.lock.name") in (None, LOCK))
        request = traces.slow_request()
        assert request is not None
        return RequestTree(traces, request)


@contextlib.contextmanager
def running_shop(ports: Ports, log_file: Path) -> Iterator[RunningShop]:
    """Run the shop until the end of the block; its report and the summary of its customers are complete then."""
    server = ["-m", "shop", "--port", str(ports.shop), "--threads", str(SERVER_THREADS)]
    observed = ["-m", "thread", "run", *EXPORTERS, "--port", str(ports.metrics), *server]
    load = ["load.py", "--url", f"http://127.0.0.1:{ports.shop}", "--rate", str(RATE), "--threads", str(CUSTOMERS)]
    shop = RunningShop(log_file)
    with TraceReceiver() as receiver:
        environment = traced_to(receiver.endpoint) | {"TERM": "xterm-256color"}
        with recorded_terminal(shop.log) as terminal, started(observed, stderr=terminal, env=environment) as service:
            wait_until(lambda: "listening" in readline(service) or service.poll() is not None, PATIENCE)
            with started([*load, "--seconds", "3600", "--count", "10000000"]) as customers:
                yield shop
                shop.load_summary = interrupt(customers)
            interrupt(service)
        shop.spans = receiver.spans()


@contextlib.contextmanager
def recorded_terminal(log: Path) -> Iterator[int]:
    """A terminal for a program, which uses colours there. At the end of the block, `log` has what the program wrote."""
    screen, terminal = pty.openpty()
    tty.setraw(terminal)
    termios.tcsetwinsize(terminal, (50, COLUMNS))

    def record() -> None:
        # Linux says EIO when the last user of the terminal has closed it.
        with log.open("wb") as file, contextlib.suppress(OSError):
            while written := os.read(screen, 65536):
                file.write(written)

    recorder = threading.Thread(target=record)
    recorder.start()
    try:
        yield terminal
    finally:
        os.close(terminal)
        recorder.join()
        os.close(screen)


@contextlib.contextmanager
def copied_shop() -> Iterator[Path]:
    """A copy of the examples, whose path is short, for it is on the pictures."""
    shutil.copytree(ROOT / "examples", SHOP)
    try:
        yield SHOP
    finally:
        shutil.rmtree(SHOP)


@contextlib.contextmanager
def started(arguments: list[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, cwd=SHOP, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def readline(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def interrupt(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=PATIENCE)[0].strip("\n")


def wait_until(predicate: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds:g} s in vain")
        time.sleep(1)


def draw(picture: str, title: str, content: RenderableType) -> None:
    """Write an SVG that needs no font from another host."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True, highlight=False)
    console.print(content, crop=False)
    form = re.sub(r"@font-face \{\{.*?\}\}\n?", "", _export_format.CONSOLE_SVG_FORMAT, flags=re.S)
    path = PICTURES / picture
    path.write_text(console.export_svg(title=title, code_format=form))
    print(f"{picture}: {path.stat().st_size:,} bytes", flush=True)


def main() -> int:
    # Whoever starts this in the background has Ctrl-C ignored, also by what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder, copied_shop():
        with running_shop(Ports(free_port(), free_port()), Path(folder, "shop.log")) as shop:
            time.sleep(SECONDS)
        draw("verdict.svg", "thread run -m shop", shop.verdict())
        draw("report.svg", "thread run -m shop", shop.report())
        draw("slow-request.svg", "one slow request", shop.slow_request())
        print(f"\n{shop.verdict().plain}\n\n{shop.report().plain}\n\n{shop.load_summary}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
