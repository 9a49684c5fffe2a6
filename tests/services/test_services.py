"""Real services, started as in docs/services.md. Each has a contended lock or pool that must be named."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest
from documentation import DOCS, code_blocks
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_receiver import OtlpReceiver, attributes_of
from prometheus_client.parser import text_string_to_metric_families
from servers import free_port, postgresql, redis

HERE = Path(__file__).parent
PATIENCE = 40.0
"""Seconds a service has to start and show its metrics, on a busy machine."""

pytestmark = pytest.mark.services


@dataclass(frozen=True)
class Service:
    """A program in a folder here, with the libraries and servers it needs."""

    folder: str
    needs: tuple[str, ...] = ()
    database: bool = False
    broker: bool = False
    serves: bool = True
    """True if it serves HTTP requests."""


SERVICES = {
    "gunicorn-django": Service("django_shop", ("gunicorn", "django", "psycopg_pool"), database=True),
    "gunicorn-preload": Service("django_shop", ("gunicorn", "django", "psycopg_pool"), database=True),
    "runserver": Service("django_shop", ("django", "psycopg_pool"), database=True),
    "runserver-noreload": Service("django_shop", ("django", "psycopg_pool"), database=True),
    "waitress": Service("flask_app", ("flask", "waitress")),
    "flask-debug": Service("flask_app", ("flask",)),
    "uvicorn": Service("fastapi_app", ("fastapi", "uvicorn")),
    "uvicorn-workers": Service("fastapi_app", ("fastapi", "uvicorn")),
    "uvicorn-reload": Service("fastapi_app", ("fastapi", "uvicorn")),
    "hypercorn": Service("hypercorn_app", ("starlette", "hypercorn")),
    "uwsgi": Service("flask_app", ("flask", "uwsgidecorators")),
    "cherrypy": Service("cherrypy_app", ("cherrypy",)),
    "celery-threads": Service("celery_tasks", ("celery", "redis"), broker=True, serves=False),
    "celery-prefork": Service("celery_tasks", ("celery", "redis"), broker=True, serves=False),
    "apscheduler": Service("scheduler", ("apscheduler",), serves=False),
    "consumer": Service("consumer", serves=False),
    "multiprocessing": Service("multiprocessing_jobs", serves=False),
    "process-pool": Service("process_pool", serves=False),
}
POOLS = {
    "sqlalchemy": Service("sqlalchemy_batch", ("sqlalchemy", "psycopg"), database=True, serves=False),
    "psycopg-pool": Service("psycopg_batch", ("psycopg_pool",), database=True, serves=False),
}
POOL_NAMES = {"sqlalchemy": r"sqlalchemy\.", "psycopg-pool": "orders-db"}
"""Pattern for a creation site, or for a name given with `telemetry.named`."""


@dataclass
class Running:
    """A running service in its own folder."""

    folder: Path
    command: str
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    page: int = field(default_factory=free_port)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        environment = os.environ | self.environment | {"PORT": str(self.port)}
        environment["THREAD_TELEMETRY_PORT"] = str(self.page)
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        environment["PYTHONPATH"] = str(self.folder)
        # The default of ten seconds is long for a test.
        environment["THREAD_TELEMETRY_EXPORT_INTERVAL"] = "0.5"
        environment["HOME"] = str(self.folder)
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", self.command],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                # All of its processes, including grandchildren.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def documented(name: str, language: str = "console") -> str:
    """Return a named block of the documentation, or nothing if there is none in this language."""
    blocks = [block for block in code_blocks(DOCS / "services.md") if block.flags == (name,)]
    return "".join(block.text for block in blocks if block.language == language)


@pytest.fixture
def prepare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str, Service], Running]]:
    with ExitStack() as stack:

        def prepare(name: str, service: Service) -> Running:
            for library in service.needs:
                if find_spec(library) is None:
                    pytest.skip(f"{library} is not installed")
            folder = tmp_path / "service"
            shutil.copytree(HERE / service.folder, folder)
            shutil.copy(HERE / "prices.py", folder)
            (folder / "metrics").mkdir()
            environment = {}
            if service.database:
                environment |= request.getfixturevalue("database")
            if service.broker:
                environment["BROKER"] = stack.enter_context(redis(tmp_path))
            running = Running(folder, "", environment)
            prompted = [line.removeprefix("$ ") for line in documented(name).splitlines() if line.startswith("$ ")]
            lines = [line for line in prompted if not line.startswith("pip install")]
            assert lines, f"docs/services.md has no command for {name}"

            def here(text: str) -> str:
                return text.replace("/run/shop/metrics", str(folder / "metrics")).replace("8000", str(running.port))

            running.command = here(" && ".join(lines))
            (folder / "service.ini").write_text(here(documented(name, "ini")))
            return running

        yield prepare


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with postgresql(tmp_path_factory.mktemp("postgresql")) as environment:
        yield environment


def wait_for(what: str, condition: Callable[[], object], running: Running) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE:g} s in vain for {what}\n{running.log[-4000:]}")
        time.sleep(0.1)


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
        return str(answer.read().decode())


def put_load_on(running: Running, *paths: str) -> None:
    def ask(path: str) -> None:
        for _ in range(6):
            get(running.port, path)

    clients = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


def values(page: str, metric: str, *labels: str) -> dict[str, float]:
    """Return the values of a metric by these labels."""
    return {
        " ".join(sample.labels[label] for label in labels): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == metric
    }


BLOCKING_LABELS = ("python_blocking_type", "python_blocking_name", "code_function_name")
BLAME_LABELS = ("python_lock_name", "python_lock_owner_function_name", "code_function_name")
GUILTY = re.compile(r"prices:Prices\._guard prices\.load_prices prices\.Prices\.(get|refresh)")


def the_lock_is_named(running: Running) -> bool:
    rows = values(get(running.page, "metrics"), "python_lock_blame_time_seconds_total", *BLAME_LABELS)
    return any(GUILTY.fullmatch(row) and seconds > 0.01 for row, seconds in rows.items())


LOAD = ("refresh", "", "", "", "")
POOL_LOAD = ("report", "report", "login", "login")


@pytest.mark.parametrize("name", SERVICES)
def test_the_page_names_the_contended_lock_and_who_held_it(
    name: str, prepare: Callable[[str, Service], Running]
) -> None:
    service = SERVICES[name]
    running = prepare(name, service)
    with running.started():
        if service.serves:
            wait_for("an answer", lambda: get(running.port, ""), running)
            put_load_on(running, *LOAD)
        elif service.broker:
            client = [sys.executable, "client.py", name]
            environment = os.environ | running.environment | {"THREAD_TELEMETRY": "0"}
            subprocess.run(client, cwd=running.folder, env=environment, check=True, timeout=60)
        wait_for("the name of the lock", lambda: the_lock_is_named(running), running)


def test_the_report_names_the_contended_lock_and_who_held_it(prepare: Callable[[str, Service], Running]) -> None:
    running = prepare("waitress", SERVICES["waitress"])
    with running.started() as process:
        wait_for("an answer", lambda: get(running.port, ""), running)
        put_load_on(running, *LOAD)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE)
    first = running.log.index("prices:Prices._guard")
    assert "load_prices" in running.log[first:]


def test_a_pool_of_connections_is_named_with_the_view_that_waits(prepare: Callable[[str, Service], Running]) -> None:
    running = prepare("gunicorn-django", SERVICES["gunicorn-django"])

    def view_is_named() -> bool:
        rows = values(get(running.page, "metrics"), "python_blocking_time_seconds_total", *BLOCKING_LABELS)
        return any(re.fullmatch(r"condition psycopg_pool\S+ shop\.urls\.(login|yearly_report)", row) for row in rows)

    with running.started():
        wait_for("an answer", lambda: get(running.port, ""), running)
        put_load_on(running, *POOL_LOAD)
        wait_for("the view", view_is_named, running)


def test_a_consumer_that_is_too_slow_is_named_by_the_queue_that_is_full(
    prepare: Callable[[str, Service], Running],
) -> None:
    running = prepare("consumer", SERVICES["consumer"])

    def queue_is_named() -> bool:
        rows = values(get(running.page, "metrics"), "python_blocking_time_seconds_total", *BLOCKING_LABELS)
        return rows.get("queue __main__:messages __main__.poll_broker", 0.0) > 0.1

    with running.started():
        wait_for("the name of the queue", queue_is_named, running)


def test_the_wait_is_a_span_of_the_request_linked_to_the_one_that_held_the_lock(
    prepare: Callable[[str, Service], Running],
) -> None:
    running = prepare("opentelemetry-flask", Service("flask_app", ("flask", "opentelemetry.instrumentation.flask")))

    def waits() -> list[Span]:
        return [span for _, _, span in receiver.spans() if span.name == "lock wait prices:Prices._guard"]

    def requests() -> dict[bytes, str]:
        return {span.span_id: span.name for _, _, span in receiver.spans() if span.name.startswith("GET ")}

    def is_explained() -> bool:
        names = requests()
        return any(
            names.get(wait.parent_span_id) == "GET /"
            and [names.get(link.span_id) for link in wait.links] == ["GET /refresh"]
            and attributes_of(wait)["python.lock.owner.function.name"] == "prices.load_prices"
            for wait in waits()
        )

    with OtlpReceiver() as receiver:
        running.command = running.command.replace("http://127.0.0.1:4318", receiver.endpoint)
        running.environment["OTEL_BSP_SCHEDULE_DELAY"] = "200"
        with running.started():
            wait_for("an answer", lambda: get(running.port, ""), running)
            put_load_on(running, *LOAD)
            wait_for("the span", is_explained, running)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_children_of_every_method_are_on_the_page(method: str, prepare: Callable[[str, Service], Running]) -> None:
    running = prepare("multiprocessing", SERVICES["multiprocessing"])
    running.command = running.command.replace("jobs.py fork", f"jobs.py {method}")
    with running.started():
        wait_for("the name of the lock", lambda: the_lock_is_named(running), running)


@pytest.mark.parametrize("name", POOLS)
def test_the_report_names_who_waits_for_a_connection(name: str, prepare: Callable[[str, Service], Running]) -> None:
    running = prepare(name, POOLS[name])
    with running.started():
        wait_for("the report", lambda: "Coverage" in running.log, running)
    blocking = running.log[running.log.index("Blocking") : running.log.index("Threads")]
    busy = blocking.partition("Idle")[0]
    assert re.search(rf"condition {POOL_NAMES[name]}\S*\s+at\s+__main__\.login", busy), running.log
    assert "at psycopg_pool" not in busy, running.log
    slow_waits = running.log[running.log.index("Slow waits") : running.log.index("Unhandled")]
    assert re.search(POOL_NAMES[name], slow_waits), running.log
    assert re.search(r"waiter  __main__\.login", slow_waits), running.log
