"""Customers for the shop: a seeded and bounded load generator.

    python examples/load.py --rate 40 --seconds 20 --seed 18

Visits are due by the clock, not when the last one ended, and latency counts from the time a request was due. So a slow
service gets no less work, and its delays do not go uncounted.
"""

from __future__ import annotations

import argparse
import http.client
import ipaddress
import json
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from visits import Request, Visit, plan

TIMEOUT = 10.0
"""Seconds after which a request counts as failed."""


@dataclass
class Latencies:
    """Latencies of one kind of request, rounded to two significant digits so that memory stays bounded."""

    answered: Counter[float] = field(default_factory=Counter)
    failed: int = 0

    def record(self, seconds: float) -> None:
        self.answered[float(f"{seconds:.2g}")] += 1

    def quantile(self, q: float) -> float:
        """Return the quantile `q` of the latencies; NaN if no request was answered."""
        rank = max(1, math.ceil(q * self.answered.total()))
        for seconds in sorted(self.answered):
            rank -= self.answered[seconds]
            if rank <= 0:
                return seconds
        return math.nan


class Load:
    """Threads that carry out the visits of a plan, one at a time per thread."""

    def __init__(self, address: tuple[str, int], visits: Iterator[Visit], threads: int) -> None:
        self.latencies: dict[str, Latencies] = {}
        self.visits = 0
        self.started_at = time.monotonic()
        self._address = address
        self._plan = visits
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._visit, name=f"customer-{n}") for n in range(threads)]

    def run(self) -> None:
        """Carry out the plan. Ctrl-C ends it after the requests in progress."""
        started = []
        try:
            for thread in self._threads:
                thread.start()
                started.append(thread)
            for thread in started:
                thread.join()
        except KeyboardInterrupt:
            self._stopping.set()
            for thread in started:
                thread.join()

    def _visit(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=TIMEOUT)
        while (visit := self._next_visit()) is not None:
            due = self.started_at + visit.due
            if self._stopping.wait(max(0.0, due - time.monotonic())):
                break
            for request in visit.requests:
                answered = send(connection, request)
                now = time.monotonic()
                self._record(request.kind, now - due if answered else None)
                due = now
                if not answered or self._stopping.is_set():
                    break
        connection.close()

    def _next_visit(self) -> Visit | None:
        with self._guard:
            visit = next(self._plan, None)
            self.visits += visit is not None
            return visit

    def _record(self, kind: str, seconds: float | None) -> None:
        with self._guard:
            latencies = self.latencies.setdefault(kind, Latencies())
            if seconds is None:
                latencies.failed += 1
            else:
                latencies.record(seconds)


def send(connection: http.client.HTTPConnection, request: Request) -> bool:
    """Send a request. Returns True if the service answered with success."""
    body = None if request.body is None else json.dumps(request.body)
    try:
        connection.request(request.method, request.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return False
    return response.status < 400


def read_skus(address: tuple[str, int]) -> list[str]:
    """Fetch the numbers of all products. Raises `OSError` or `ValueError` if the shop does not answer."""
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT)
    try:
        connection.request("GET", "/products")
        skus = json.loads(connection.getresponse().read())
    except http.client.HTTPException as error:
        raise ValueError(f"expected HTTP, got {error!r}") from error
    finally:
        connection.close()
    if not isinstance(skus, list) or not skus:
        raise ValueError("expected a list of product numbers from /products")
    return skus


def summary(load: Load) -> str:
    """Format a table of requests, failures and latencies."""
    lines = [f"{'':14} {'answered':>8} {'failed':>6} {'p50':>8} {'p95':>8} {'p99':>8} {'max':>8}"]
    for kind, latencies in sorted(load.latencies.items()):
        late = " ".join(f"{latencies.quantile(q) * 1000:5.3g} ms" for q in (0.5, 0.95, 0.99, 1.0))
        lines.append(f"{kind:14} {latencies.answered.total():8} {latencies.failed:6} {late}")
    elapsed = time.monotonic() - load.started_at
    lines.append(f"{load.visits} visits in {elapsed:.1f} s")
    return "\n".join(lines)


def main() -> int:
    """Return the exit status: 0 if every request was answered, 1 if one failed, 2 for a wrong command line."""
    options = _parse()
    address = options.url
    try:
        skus = read_skus(address)
    except (OSError, ValueError) as error:
        print(f"load: no shop at http://{address[0]}:{address[1]}: {error}", file=sys.stderr)
        return 1
    visits = plan(skus, seed=options.seed, rate=options.rate, seconds=options.seconds, count=options.count)
    load = Load(address, visits, options.threads)
    print(f"load: {options.rate:g} visits a second to http://{address[0]}:{address[1]}", file=sys.stderr, flush=True)
    load.run()
    print(summary(load), flush=True)
    return 1 if any(latencies.failed for latencies in load.latencies.values()) else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Seeded, bounded load for the shop, from this machine to itself.")
    parser.add_argument(
        "--url", type=_loopback, default="http://127.0.0.1:8080", help="the service (default: %(default)s)"
    )
    parser.add_argument("--rate", type=_positive, default=40.0, help="visits per second (default: %(default)s)")
    parser.add_argument("--seconds", type=_positive, default=60.0, help="length of the run (default: %(default)s)")
    parser.add_argument("--count", type=_whole, default=100_000, help="maximum number of visits (default: %(default)s)")
    parser.add_argument("--threads", type=_whole, default=16, help="concurrent customers (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=18, help="seed of the plan of visits (default: %(default)s)")
    return parser.parse_args()


def _loopback(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if parts.scheme != "http" or not loopback:
        raise argparse.ArgumentTypeError(f"expected http:// and a loopback address, got {url!r}")
    return host, parts.port or 80


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return number


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return number


if __name__ == "__main__":
    sys.exit(main())
