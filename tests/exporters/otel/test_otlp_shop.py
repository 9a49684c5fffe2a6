"""The example shop under load: a request that waited leads to the request that held the lock at that time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from conftest import WaitUntil
from example_programs import Shop, running_shop
from otlp_receiver import OtlpReceiver, attributes_of

pytest.importorskip("waitress")
pytest.importorskip("opentelemetry.instrumentation.wsgi")

GUARD = "lock wait shop.cache:Cache._guard"
SLOW_NS = 10_000_000
"""After so long a wait is a slow one, and the owner is looked at."""


class Traces:
    """The received spans, by their identifiers."""

    def __init__(self, receiver: OtlpReceiver) -> None:
        self._spans = {span.span_id: span for _, _, span in receiver.spans()}

    def request_of(self, span: Any) -> Any:
        """Return the request that a span belongs to. None if there is none or it was not received."""
        while span is not None and span.kind != span.SPAN_KIND_SERVER:
            span = self._spans.get(span.parent_span_id)
        return span

    def waits_for_a_request(self) -> list[tuple[Any, Any, Any]]:
        """Find waits for the guard: the wait, its request, and the span of another request that it links to."""
        found = []
        for wait in self._spans.values():
            owner = self._spans.get(wait.links[0].span_id) if wait.name == GUARD and wait.links else None
            waiting, owning = self.request_of(self._spans.get(wait.parent_span_id)), self.request_of(owner)
            if waiting is not None and owning is not None and waiting is not owning:
                found.append((wait, waiting, owner))
        return found

    def refresh_of(self, span: Any) -> Any:
        """Return the `refresh catalogue` that a span belongs to. The guard is held during all of it."""
        while span is not None and span.name != "refresh catalogue":
            span = self._spans.get(span.parent_span_id)
        return span


def keep_asking(shop: Shop, ending: threading.Event, method: str, path: str, body: object = None) -> Callable[[], None]:
    def ask() -> None:
        while not ending.is_set():
            assert shop.ask(method, path, body)[0] == 200

    return ask


def test_a_request_that_waits_is_linked_to_a_request_that_held_the_lock_then(
    core: ModuleType, wait_until: WaitUntil
) -> None:
    with OtlpReceiver() as receiver:
        observer = ("-m", "thread", "run", "--exporter", "otlp")
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "THREAD_TELEMETRY_EXPORT_INTERVAL": "0.1",
        }
        ending = threading.Event()
        with running_shop(observer=observer, **environment) as shop:
            price = {"sku": "CHN-11", "cents": 2790}
            asking = [
                threading.Thread(target=keep_asking(shop, ending, "POST", "/prices", price)),
                *[threading.Thread(target=keep_asking(shop, ending, "GET", "/products/CHN-11")) for _ in range(3)],
            ]
            for each in asking:
                each.start()
            try:
                wait_until(lambda: len(Traces(receiver).waits_for_a_request()) >= 3, timeout=40)
            finally:
                ending.set()
                for each in asking:
                    each.join()
            shop.end(signal.SIGINT)
        traces = Traces(receiver)
    for wait, waiting, owner in traces.waits_for_a_request():
        assert wait.trace_id == waiting.trace_id
        assert waiting.start_time_unix_nano <= wait.start_time_unix_nano
        assert wait.end_time_unix_nano <= waiting.end_time_unix_nano
        assert attributes_of(wait)["python.lock.owner.function.name"] == "shop.storage.Connection.query"
        # The owner was in the middle of a refresh when it was looked at, or a little later on a busy machine.
        looked_at = wait.start_time_unix_nano + SLOW_NS
        refresh = traces.refresh_of(owner)
        assert refresh is not None
        assert looked_at <= refresh.end_time_unix_nano
        assert refresh.start_time_unix_nano <= wait.end_time_unix_nano
