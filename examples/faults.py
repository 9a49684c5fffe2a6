"""A small service with faults on request, for trying out dashboards and alerts.

    python -m thread run examples/faults.py                        # healthy
    python -m thread run examples/faults.py convoy leak            # two faults at once
    python -m thread run examples/faults.py --seconds 900 stuck    # the fault ends, the service goes on
    python -m thread run examples/faults.py --after 60 stuck       # healthy for a minute

Each fault has happened in real services, and docs/runbook.md says how to find it. Ctrl-C ends all of them.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

from thread import telemetry

MOST_LEAKED = 4000
"""Maximum number of leaked threads, so that the machine survives if nobody is watching."""


class Service:
    """A healthy service: four workers answer fifty requests a second, and short threads send an occasional mail."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._orders_guard = threading.Lock()
        self._orders = 0
        self._workers = ThreadPoolExecutor(4, thread_name_prefix="requests")
        self._arrivals = threading.Thread(target=self._take_requests)

    def start(self) -> None:
        self._arrivals.start()

    def stop(self) -> None:
        self._ended.set()
        if self._arrivals.is_alive():
            self._arrivals.join()
        self._workers.shutdown()

    def _take_requests(self) -> None:
        number = 0
        while not self._ended.wait(0.02):
            self._workers.submit(self._answer)
            if number % 50 == 0:
                threading.Thread(target=self._send_mail).start()
            number += 1

    def _answer(self) -> None:
        with self._orders_guard:
            self._orders += 1
        self._ended.wait(0.005)

    def _send_mail(self) -> None:
        self._ended.wait(0.05)


def convoy(ended: threading.Event) -> None:
    """Let eight threads query a database while holding the lock of a cache, one after another."""
    cache_guard = threading.Lock()

    def look_up() -> None:
        while not ended.is_set():
            with cache_guard:
                ended.wait(0.01)

    run_until_end(look_up, 8)


def stuck(ended: threading.Event) -> None:
    """Let a thread wait for an answer that never comes while it holds a lock that two others want."""
    connection_guard = threading.Lock()

    def use_connection() -> None:
        with connection_guard:
            ended.wait()

    run_until_end(use_connection, 3)


def leak(ended: threading.Event) -> None:
    """Start a thread every second that waits for a reply which nobody sends."""

    def wait_for_reply() -> None:
        ended.wait()

    waiting: list[threading.Thread] = []
    while not ended.wait(1.0):
        if len(waiting) < MOST_LEAKED:
            waiting.append(threading.Thread(target=wait_for_reply))
            waiting[-1].start()
    for each in waiting:
        each.join()


def exceptions(ended: threading.Event) -> None:
    """Start a thread four times a second for an order whose country it cannot handle."""
    postage = {"DE": 4.90, "AT": 6.90}

    def ship_order() -> None:
        print(f"postage: {postage['CH']}")

    while not ended.wait(0.25):
        threading.Thread(target=ship_order).start()


def starvation(ended: threading.Event) -> None:
    """Let two workers resize pictures that arrive faster than they can work."""
    with ThreadPoolExecutor(2, thread_name_prefix="pictures") as workers:
        # The queue must be bounded, or it would take forever to empty it after the fault.
        room = threading.BoundedSemaphore(40)

        def resize_picture() -> None:
            ended.wait(0.25)
            room.release()

        while not ended.wait(0.05):
            if room.acquire(blocking=False):
                workers.submit(resize_picture)


def dropping(ended: threading.Event) -> None:
    """Shrink the event buffer to sixteen events while hundreds of short threads end at once."""
    default = telemetry.Settings().event_capacity
    telemetry.configure(event_capacity=16)

    def do_next_to_nothing() -> None:
        pass

    while not ended.wait(0.5):
        run_until_end(do_next_to_nothing, 200)
    telemetry.configure(event_capacity=default)


FAULTS = {fault.__name__: fault for fault in (convoy, stuck, leak, exceptions, starvation, dropping)}


def run_until_end(function: Callable[[], None], number: int) -> None:
    threads = [threading.Thread(target=function) for _ in range(number)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def main() -> int:
    options = parse()
    # SIGTERM ends it like Ctrl-C.
    signal.signal(signal.SIGTERM, interrupt)
    ended = threading.Event()
    service = Service()
    at_work: list[threading.Thread] = []
    try:
        service.start()
        pause(options.after)
        for name in options.faults:
            fault = threading.Thread(target=FAULTS[name], args=(ended,))
            fault.start()
            at_work.append(fault)
        print(f"faults: {' and '.join(options.faults) or 'healthy'}; Ctrl-C ends it", flush=True)
        pause(options.seconds)
        ended.set()
        print("faults: ended; the service goes on", flush=True)
        pause()
    except KeyboardInterrupt:
        pass
    finally:
        ended.set()
        for each in at_work:
            each.join()
        service.stop()
    return 0


def pause(seconds: float | None = None) -> None:
    """Wait for the given time, or forever. Ctrl-C ends the wait within a second, however many threads want to run."""
    # A signal that arrives just before the interpreter blocks does not wake it, so it must not block for long. Only the
    # main thread uses this event, so an interruption here cannot leave a lock behind that others want.
    until = threading.TIMEOUT_MAX if seconds is None else time.monotonic() + seconds
    alarm = threading.Event()
    while (left := until - time.monotonic()) > 0:
        alarm.wait(min(left, 1.0))


def interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def parse() -> argparse.Namespace:
    explained = "\n".join(f"  {name:<12}{fault.__doc__}" for name, fault in FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="faults.py",
        description="A small service that is healthy or has the given faults.",
        epilog=f"faults:\n{explained}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="fault to show (default: none)")
    parser.add_argument("--after", type=seconds, default=0.0, metavar="N", help="begin the faults after N seconds")
    parser.add_argument("--seconds", type=seconds, metavar="N", help="end the faults after N seconds (default: never)")
    options = parser.parse_args()
    if unknown := [name for name in options.faults if name not in FAULTS]:
        parser.error(f"expected faults from {', '.join(FAULTS)}, got {', '.join(unknown)}")
    options.faults = list(dict.fromkeys(options.faults))
    return options


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, at least 0, got {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
