"""Flask on a threaded server, and a threaded gunicorn worker, answer as usual, and their work is recorded."""

from __future__ import annotations

import json
import urllib.request
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gunicorn_service import gunicorn
from programs import observed

FLASK = """
    import logging, threading, urllib.error, urllib.request
    from concurrent.futures import ThreadPoolExecutor
    from flask import Flask, g, request
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    app = Flask(__name__)
    app.logger.disabled = True
    guard = threading.Lock()
    together = threading.Barrier(4)
    stock = []

    @app.post("/pears/<int:number>")
    def add(number):
        g.number = number
        together.wait(30)
        with guard:
            stock.append(g.number)
        return {"added": g.number, "path": request.path}

    @app.get("/broken")
    def fail():
        with guard:
            raise RuntimeError("broken")

    def ask(path, data=None):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", data, timeout=30) as answer:
                return answer.status, app.json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"]

    server = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    with ThreadPoolExecutor(8, thread_name_prefix="clients") as clients:
        print(list(clients.map(lambda number: ask(f"/pears/{number}", b""), range(40))))
    print(ask("/broken"), ask("/nowhere"), sorted(stock))
    server.shutdown()
    serving.join(30)
    server.server_close()
    for each in threading.enumerate():
        if each is not threading.main_thread():
            each.join(30)
    print(threading.active_count())
"""


def test_flask_answers_from_threads_that_are_observed() -> None:
    (answered, others, threads), seen = observed(
        FLASK,
        """
        servers = [each for each in recorded.threads if "_worker" not in each.target]
        print(sorted((each.target, each.started, each.finished) for each in servers))
        print([each.acquisitions for each in recorded.locks if each.name == "__main__:guard"])
        print([each.duration.count >= 30 for each in recorded.blocking if each.name == "__main__:together"])
        print([(each.name, each.submitted, each.finished, each.unread_exceptions) for each in recorded.executors])
        """,
    )
    assert answered == str([(200, {"added": number, "path": f"/pears/{number}"}) for number in range(40)])
    html = "text/html; charset=utf-8"
    assert others == f"{(500, html)} {(404, html)} {list(range(40))}"
    assert threads == "1"
    assert seen == [
        "[('socketserver:ThreadingMixIn.process_request_thread', 42, 42), "
        "('werkzeug.serving:BaseWSGIServer.serve_forever', 1, 1)]",
        "[41]",
        "[True]",
        "[('clients', 40, 40, 0)]",
    ]


SERVICE = """
    import json, os, threading

    guard = threading.Lock()
    changed = threading.Condition()
    inside = most = served = 0

    def meet():
        # Answers once two requests are there at the same time, which takes two threads of one worker.
        global inside, most
        with changed:
            inside += 1
            most = max(most, inside)
            changed.notify_all()
            met = changed.wait_for(lambda: most >= 2, 30)
            inside -= 1
        return met

    def count():
        global served
        with guard:
            served += 1
            return served

    def look():
        from thread import telemetry
        seen = telemetry.snapshot()
        return {
            "core": seen.coverage.core,
            "trouble": [seen.coverage.faults, len(seen.exceptions)],
            "guard": [each.acquisitions for each in seen.locks if each.name == "service:guard"],
            "met": [each.duration.count for each in seen.blocking if each.name == "service:changed"],
            "threads": [each.running for each in seen.threads if each.target == "concurrent.futures.thread:_worker"],
            "pools": [[each.name, each.workers, each.busy, each.submitted] for each in seen.executors],
        }

    def app(environ, start_response):
        answer = {"/meet": meet, "/count": count, "/look": look}[environ["PATH_INFO"]]()
        body = json.dumps([os.getpid(), answer]).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]
"""


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["loaded by each worker", "loaded before the fork"])
def test_threads_of_gunicorn_workers_answer_and_are_observed(tmp_path: Path, options: tuple[str, ...]) -> None:
    met: set[int] = set()
    counts = defaultdict(list)
    looks = {}

    def ask(path: str) -> tuple[int, object]:
        with urllib.request.urlopen(address + path, timeout=60) as answer:
            assert answer.status == 200
            worker, body = json.load(answer)
        return worker, body

    def meet() -> None:
        # Any worker may take a request, and a request that comes alone waits for a second one.
        while len(met) < 2:
            worker, together = ask("/meet")
            assert together
            met.add(worker)

    running = gunicorn(tmp_path, SERVICE, "--threads", "4", *options, THREAD_TELEMETRY_EXPORTERS="none")
    with running as address, ThreadPoolExecutor(8) as clients:
        for each in [clients.submit(meet) for _ in range(8)]:
            each.result()
        for worker, count in clients.map(ask, ["/count"] * 200):
            counts[worker].append(count)
        while looks.keys() != met:
            worker, look = ask("/look")
            looks[worker] = look

    assert sum(map(len, counts.values())) == 200
    for worker, look in looks.items():
        assert sorted(counts[worker]) == list(range(1, len(counts[worker]) + 1))
        assert_saw(look, served=len(counts[worker]))


def assert_saw(look: dict[str, Any], *, served: int) -> None:
    """Check what one worker saw of itself after that number of requests."""
    [(pool, workers, busy, submitted)] = look.pop("pools")
    assert pool.startswith("gunicorn.workers.gthread:")
    assert 2 <= workers <= 4
    assert 1 <= busy <= workers
    assert submitted > served
    assert look.pop("threads") == [workers]
    assert look.pop("core") in ("c", "python")
    [waits] = look.pop("met")
    assert waits >= 1
    assert look == {"trouble": [0, 0], "guard": [served]}
