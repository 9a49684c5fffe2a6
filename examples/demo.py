"""The observed shop under load, in one command: `make demo`.

Starts the service with `python -m thread run`, sends it customers, prints where to look and, every few seconds, what
the metrics page shows. At the end it prints the report and one slow request. Ctrl-C or DEMO_SECONDS ends it.
"""

from __future__ import annotations

import http.client
import math
import os
import signal
import socket
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from child_process import ChildProcess, how_it_ended, terminal_width

NEEDED = (
    "thread",
    "thread_exporters",
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.instrumentation.wsgi",
    "prometheus_client",
    "rich",
    "waitress",
)
SHOP_PORT = 8080
METRICS_PORT = 9464
SECONDS_TO_START = 30.0
SECONDS_BETWEEN_LOOKS = 5.0


class DemoFailedError(Exception):
    """A failure of the demo; the text says what went wrong."""


def main() -> int:
    """Return the exit status: 0 for success, 1 for a failure, 2 for a bad DEMO_SECONDS, 130 for an early Ctrl-C."""
    interruption = Interruption()
    try:
        seconds = read_seconds(os.environ.get("DEMO_SECONDS", ""))
    except ValueError as error:
        print(f"demo: DEMO_SECONDS: {error}", file=sys.stderr)
        return 2
    try:
        check_installation()
        with tempfile.TemporaryDirectory(prefix="shop-demo-") as folder:
            run(Path(folder), seconds, interruption)
    except DemoFailedError as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130
    return 0


class Interruption:
    """Ctrl-C, SIGTERM or a closed terminal: the first one ends the demo, the second raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self.came = False
        # Ctrl-C as well: a shell makes background processes, and their children, ignore it.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._handle)

    def sleep(self, seconds: float) -> None:
        """Wait the given number of seconds, or until shortly after an interruption."""
        deadline = time.monotonic() + seconds
        while not self.came and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True


def run(folder: Path, seconds: float, interruption: Interruption) -> None:
    """Run the demo for the given number of seconds or until Ctrl-C."""
    # Imported here, so that the demo can report missing libraries first.
    from request_tree import slow_request
    from trace_receiver import TraceReceiver

    shop = ("127.0.0.1", choose_port(SHOP_PORT, "the shop"))
    metrics = ("127.0.0.1", choose_port(METRICS_PORT, "the metrics page"))
    exporters = [option for name in ("prometheus", "otlp", "console") for option in ("--exporter", name)]
    command = ["-m", "thread", "run", *exporters, "--port", str(metrics[1]), "-m", "shop", "--port", str(shop[1])]
    with (
        TraceReceiver() as receiver,
        ChildProcess(command, folder / "shop.log", traced_to(receiver.endpoint)) as service,
    ):
        wait_for_answer(service, shop, "/health", interruption)
        wait_for_answer(service, metrics, "/metrics", interruption)
        print("A small shop, observed while customers come and go.")
        print(f"  shop     http://{shop[0]}:{shop[1]}/health  /products  /products/CHN-11")
        print(f"  metrics  http://{metrics[0]}:{metrics[1]}/metrics")
        print(f"  log      {service.log}")
        print(f"Ends {'on Ctrl-C' if seconds == math.inf else f'after {seconds:g} s, or on Ctrl-C'}.\n", flush=True)
        # Longer than needed, because we end it; still bounded, in case this process dies.
        load_seconds = min(seconds + 60, 86_400)
        customers = ["load.py", "--url", f"http://{shop[0]}:{shop[1]}", "--seconds", str(load_seconds)]
        with ChildProcess([*customers, "--count", "10000000"], folder / "load.log") as load:
            load.wait_for_output()
            watch((service, load), metrics, seconds, interruption)
            load_status, summary = load.interrupt()
        service_status, report = service.interrupt()
        # The last spans arrive while the service ends.
        spans = receiver.spans()
    print(f"\nWhat the customers saw\n\n{summary}\n\nWhat the observer saw\n\n{report}")
    print(f"\nOne slow request\n\n{slow_request(spans, sys.stdout, terminal_width())}", flush=True)
    if service_status != 0:
        raise DemoFailedError(f"the service {how_it_ended(service_status)}")
    # Ctrl-C may come before the load can handle it. Then the load has not begun.
    if load_status not in (0, -signal.SIGINT):
        raise DemoFailedError(f"the load {how_it_ended(load_status)}: requests failed, see above")


def traced_to(endpoint: str) -> dict[str, str]:
    """Make the environment for a service that sends its traces there, whatever our own environment says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    # Bypass proxies: none of them could reach this machine.
    direct = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return environment | direct | {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SERVICE_NAME": "shop"}


def watch(
    processes: tuple[ChildProcess, ...], metrics: tuple[str, int], seconds: float, interruption: Interruption
) -> None:
    """Print highlights of the metrics page every few seconds, until the time is up, Ctrl-C, or a process ends."""
    # Imported here, so that the demo can report missing libraries first.
    from metrics_page import MetricsPage

    started = time.monotonic()
    elapsed = 0.0
    while elapsed < seconds and not interruption.came and all(process.status() is None for process in processes):
        interruption.sleep(min(SECONDS_BETWEEN_LOOKS, seconds - elapsed))
        elapsed = time.monotonic() - started
        page = get(metrics, "/metrics")
        lines = ["the metrics page does not answer"] if page is None else MetricsPage(page).highlights()
        print(f"{elapsed:5.0f} s  " + "\n         ".join(lines), flush=True)


def wait_for_answer(service: ChildProcess, address: tuple[str, int], path: str, interruption: Interruption) -> None:
    """Wait until the service answers. Raises `DemoFailedError` if it ends first or takes too long."""
    deadline = time.monotonic() + SECONDS_TO_START
    while get(address, path) is None:
        status = service.status()
        if status is not None or time.monotonic() > deadline:
            why = "does not answer" if status is None else how_it_ended(status)
            print(service.output(), file=sys.stderr)
            raise DemoFailedError(
                f"the service did not start: http://{address[0]}:{address[1]}{path}: the process {why}"
            )
        interruption.sleep(0.05)
        if interruption.came:
            raise KeyboardInterrupt


def get(address: tuple[str, int], path: str) -> str | None:
    """Fetch a page. None if there is no answer."""
    connection = http.client.HTTPConnection(*address, timeout=SECONDS_BETWEEN_LOOKS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return text if response.status == 200 else None


def choose_port(wanted: int, what: str) -> int:
    """Return the wanted port, or a free one if the wanted one is taken."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError as error:
            listener.bind(("127.0.0.1", 0))
            print(f"port {wanted} is not available ({error.strerror}); {what} uses another one")
        port: int = listener.getsockname()[1]
        return port


def check_installation() -> None:
    missing = [name for name in NEEDED if not is_installed(name)]
    if missing:
        raise DemoFailedError(
            f"not installed: {', '.join(missing)}; `make demo` installs everything,"
            " and so does pip install 'thread-telemetry[demo]'"
        )


def is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        # Even the parent package is missing.
        return False


def read_seconds(text: str) -> float:
    """Parse the length of the demo; an empty text means until Ctrl-C. Raises `ValueError` for an invalid one."""
    if not text:
        return math.inf
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"expected a number of seconds above 0, got {text!r}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
