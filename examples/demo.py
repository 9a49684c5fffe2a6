"""The shop, under load and observed, in one command: `make demo`.

Starts the service with `python -m thread run`, sends it customers, says where to look and what the metrics page shows
now and then, and prints the report and one slow request at the end. Ctrl-C ends it, or DEMO_SECONDS.
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
    """The demo failed; the text says why."""


def main() -> int:
    """Return 0 for success, 1 for a failure, 2 for a bad DEMO_SECONDS, 130 for Ctrl-C before the demo ran."""
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
    """Ctrl-C, SIGTERM or a closed terminal: the first asks for the end, the second raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self.came = False
        # For Ctrl-C as well: a script that starts the demo in the background has it ignored, by what it starts too.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._handle)

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`, or soon after an interruption."""
        deadline = time.monotonic() + seconds
        while not self.came and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True


def run(folder: Path, seconds: float, interruption: Interruption) -> None:
    """Run the demo for `seconds` or until Ctrl-C."""
    # Not at the top: without the libraries that they need, the demo says so.
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
        # Longer than needed, for it is ended from here; bounded all the same, whatever becomes of this process.
        load_seconds = min(seconds + 60, 86_400)
        customers = ["load.py", "--url", f"http://{shop[0]}:{shop[1]}", "--seconds", str(load_seconds)]
        with ChildProcess([*customers, "--count", "10000000"], folder / "load.log") as load:
            load.wait_for_output()
            watch((service, load), metrics, seconds, interruption)
            load_status, summary = load.interrupt()
        service_status, report = service.interrupt()
        # The last spans come while the service ends.
        spans = receiver.spans()
    print(f"\nWhat the customers saw\n\n{summary}\n\nWhat the observer saw\n\n{report}")
    print(f"\nOne slow request\n\n{slow_request(spans, sys.stdout, terminal_width())}", flush=True)
    if service_status != 0:
        raise DemoFailedError(f"the service {how_it_ended(service_status)}")
    # Ctrl-C may come before the load can handle it; then it has not begun.
    if load_status not in (0, -signal.SIGINT):
        raise DemoFailedError(f"the load {how_it_ended(load_status)}: requests failed, see above")


def traced_to(endpoint: str) -> dict[str, str]:
    """The environment of a service that sends its traces to `endpoint`, not where this process sends its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    # By no proxy: none of them would find its way back to this machine.
    direct = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return environment | direct | {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SERVICE_NAME": "shop"}


def watch(
    processes: tuple[ChildProcess, ...], metrics: tuple[str, int], seconds: float, interruption: Interruption
) -> None:
    """Print the news of the metrics page now and then, until the time is up, Ctrl-C, or the end of a process."""
    # Not at the top: without the libraries that it needs, the demo says so.
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
    """Return as soon as the service answers. Raise `DemoFailedError` if it ends first or takes too long."""
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
    """The body of the answer, None if there is none."""
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
    """The port wanted, or a free one if that port is taken."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError as error:
            listener.bind(("127.0.0.1", 0))
            print(f"port {wanted} is taken ({error.strerror}), {what} uses another one")
        port: int = listener.getsockname()[1]
        return port


def check_installation() -> None:
    missing = [name for name in NEEDED if not is_installed(name)]
    if missing:
        raise DemoFailedError(
            f"not installed: {', '.join(missing)}; `make demo` installs what is needed,"
            " and so does pip install 'thread-telemetry[demo]'"
        )


def is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        # Not even the package that it would be in.
        return False


def read_seconds(text: str) -> float:
    """The duration of the demo in seconds, infinite if the text is empty. Raise `ValueError` for a bad one."""
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
