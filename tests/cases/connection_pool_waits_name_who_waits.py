"""Waits for a pooled connection are charged to the caller of the library, under the name given to the pool.

A slow wait is an event with the stack of the waiter, and a span in the trace of its request. An idle worker that waits
for work in a queue of the program is neither. With SQLAlchemy's QueuePool.
"""

import sys
import threading
import time
from queue import Queue
from typing import Any

from thread import telemetry

telemetry.instrument()

try:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import QueuePool

    from thread_exporters.spans import SpansExporter
except ImportError as error:
    print(error)
    sys.exit(77)

events: list[Any] = []
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))


class Collecting:
    def export(self, snapshot: telemetry.Snapshot, some: Any) -> None:
        events.extend(some)

    def shutdown(self, timeout: float) -> None:
        pass


telemetry.start(Collecting(), SpansExporter(provider), export_interval=0.05, slow_wait=0.01)
arguments = {"check_same_thread": False}
engine = telemetry.named(
    create_engine("sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, connect_args=arguments), "orders"
)
jobs: Queue[None] = Queue()
taken, given_back = threading.Event(), threading.Event()


def report_page() -> None:
    with engine.connect():
        taken.set()
        given_back.wait(10)


def login() -> None:
    with provider.get_tracer("test").start_as_current_span("GET /login"), engine.connect() as connection:
        connection.execute(text("select 1"))


def sign_up() -> None:
    with engine.connect() as connection:
        connection.execute(text("select 1"))


def work() -> None:
    jobs.get()


targets: Any = report_page, login, sign_up, work
threads = [threading.Thread(target=target) for target in targets]
threads[0].start()
taken.wait(10)
for thread in threads[1:]:
    thread.start()
time.sleep(0.1)
given_back.set()
jobs.put(None)
for thread in threads:
    thread.join()
telemetry.stop()
waits = {(each.kind, each.name, each.site.function) for each in telemetry.snapshot().blocking if each.name == "orders"}
slow = {(each.kind, each.lock, each.acquire_site.function) for each in events if isinstance(each, telemetry.SlowWait)}
expected = {("condition", "orders", f"__main__.{function}") for function in ("login", "sign_up")}
stacks = [each.acquire_stack[0].function for each in events if isinstance(each, telemetry.SlowWait)]
requests = [span for span in exporter.get_finished_spans() if span.name == "GET /login"]
spans = [span for span in exporter.get_finished_spans() if span.name == "condition wait orders"]
children = [span for span in spans if span.parent and span.parent.span_id == requests[0].context.span_id]
print("waits:", waits, "slow:", slow, "stacks:", stacks, "spans:", [span.name for span in spans])
wrong = waits != expected or slow != expected or len(children) != 1 or len(spans) != 2
sys.exit(wrong or not all("sqlalchemy" in stack for stack in stacks))
