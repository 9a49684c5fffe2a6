"""gunicorn forks workers while the master's exporter is running: each worker sends its own data, from zero."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gunicorn_service import gunicorn
from otlp_receiver import OtlpReceiver, attributes_of

SERVICE = """
    import os, threading, time

    def before_the_fork():
        pass

    loading = threading.Thread(target=before_the_fork)
    loading.start()
    loading.join()
    time.sleep(0.5)  # long enough for an export to be under way, which the receiver answers late

    def work():
        pass

    def app(environ, start_response):
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
        body = str(os.getpid()).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
"""


def serve(folder: Path, receiver: OtlpReceiver) -> Counter[int]:
    """Send requests until two workers have answered. Returns the number per worker after their end."""
    served: Counter[int] = Counter()
    with gunicorn(
        folder,
        SERVICE,
        "--preload",
        "--threads",
        "2",
        complaints="the exporter",
        THREAD_TELEMETRY_EXPORTERS="otlp",
        THREAD_TELEMETRY_EXPORT_INTERVAL="0.05",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    ) as address:
        with ThreadPoolExecutor(8) as clients:
            while len(served) < 2:
                served.update(clients.map(lambda _: ask(address), range(50)))
    return served


def ask(address: str) -> int:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return int(json.load(answer))


def test_each_worker_sends_its_own_data_from_zero(tmp_path: Path) -> None:
    with OtlpReceiver() as receiver:
        receiver.delay = 0.3
        served = serve(tmp_path, receiver)
        spans: dict[object, Counter[str]] = {}
        for resource, _, span in receiver.spans():
            spans.setdefault(attributes_of(resource)["service.instance.id"], Counter())[span.name] += 1
        started: dict[object, int] = {}
        for resource, _, metric in receiver.metrics():
            if metric.name == "python.thread.started":
                for point in metric.sum.data_points:
                    if attributes_of(point)["python.thread.target"] == "service:work":
                        started[attributes_of(resource)["service.instance.id"]] = point.as_int
    [parent] = [instance for instance, names in spans.items() if "thread service:before_the_fork" in names]
    assert sorted(started.values()) == sorted(served.values())
    # Only some threads of one target have a span if there are many per second.
    workers = {instance: names["thread service:work"] for instance, names in spans.items() if instance != parent}
    assert workers.keys() == started.keys()
    assert all(0 < workers[instance] <= count for instance, count in started.items())
    assert spans[parent].keys() == {"thread service:before_the_fork"}
