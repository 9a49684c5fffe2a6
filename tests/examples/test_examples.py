"""The examples do what their README says: the shop alone, its customers, and both under observation."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from conftest import WaitUntil
from example_programs import EXAMPLES, Shop, free_port, load_example, run_example, running_shop

pytest.importorskip("waitress")


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """Run a shop that several tests share; each has its own customers."""
    with running_shop() as shop:
        yield shop


@pytest.fixture(scope="module")
def visits() -> ModuleType:
    return load_example("visits")


# The shop, under plain python


def test_a_product_page_shows_what_the_database_has(shop: Shop) -> None:
    assert shop.ask("GET", "/products/CHN-12") == (
        200,
        {"sku": "CHN-12", "name": "Chain, 12-speed", "price": "39.90"},
    )


def test_what_is_put_into_a_basket_can_be_ordered_once(shop: Shop) -> None:
    for quantity in (1, 2):
        assert shop.ask("POST", "/baskets/anna", {"sku": "TAP-BAR", "quantity": quantity})[0] == 201
    assert shop.ask("GET", "/baskets/anna") == (200, {"TAP-BAR": 3})

    status, order = shop.ask("POST", "/checkout", {"customer": "anna", "country": "DE"})

    assert (status, order["total"]) == (201, "53.70")
    assert shop.ask("GET", "/baskets/anna") == (200, {})
    assert shop.ask("POST", "/checkout", {"customer": "anna", "country": "DE"})[0] == 409


def test_a_changed_price_is_shown_at_once(shop: Shop) -> None:
    assert shop.ask("POST", "/prices", {"sku": "PMP-FLR", "cents": 4210})[0] == 200
    assert shop.ask("GET", "/products/PMP-FLR")[1]["price"] == "42.10"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", None, 404),
        ("DELETE", "/products", None, 404),
        ("GET", "/products/BIKE", None, 404),
        ("POST", "/baskets/ben", {"sku": "BIKE"}, 400),
        ("POST", "/baskets/ben", {"sku": "CHN-11", "quantity": 0}, 400),
        ("POST", "/baskets/ben", ["CHN-11"], 400),
        ("POST", "/checkout", None, 400),
        ("POST", "/checkout", {"customer": "ben", "country": "JP"}, 400),
        ("POST", "/checkout", {"customer": "ben", "country": ["DE"]}, 400),
        ("POST", "/prices", {"sku": "CHN-11", "cents": 1.5}, 400),
        ("POST", "/prices", "x" * 20_000, 413),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_with_a_reason(
    shop: Shop, method: str, path: str, body: object, status: int
) -> None:
    answered, content = shop.ask(method, path, body)
    assert answered == status
    assert content["error"]


def test_the_catalogue_is_refreshed_in_the_background(shop: Shop, wait_until: Callable[..., None]) -> None:
    age = shop.health()["catalogue_age_seconds"]
    wait_until(lambda: shop.health()["catalogue_age_seconds"] < age)


def test_a_worker_that_died_is_replaced_for_the_next_order(wait_until: Callable[..., None]) -> None:
    with running_shop() as shop:
        shop.order("carla", "CH")
        wait_until(lambda: shop.health()["orders_waiting"] == 0)

        def dead_worker_replaced() -> bool:
            shop.order("dora", "DE")
            return bool(shop.health()["workers_started"] == 2)

        wait_until(dead_worker_replaced)
        status, errors = shop.end(signal.SIGINT)

    assert status == 0
    assert errors.count("KeyError: 'CH'") == 1


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_shop_and_leaves_nothing_behind(
    ending: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with running_shop() as shop:
        assert list(tmp_path.iterdir())
        assert shop.end(ending) == (0, "")
    assert not list(tmp_path.iterdir())


def test_a_taken_port_is_one_clear_line(shop: Shop) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "shop", "--port", str(shop.port)],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert second.returncode == 1
    assert second.stderr == f"shop: cannot listen on 127.0.0.1:{shop.port}: Address already in use\n"


def test_processes_given_one_database_are_one_shop(tmp_path: Path) -> None:
    database = str(tmp_path / "shop.sqlite")
    with running_shop("--database", database) as one, running_shop("--database", database) as other:
        assert one.ask("POST", "/baskets/emil", {"sku": "CHN-11"})[0] == 201
        assert other.ask("GET", "/baskets/emil") == (200, {"CHN-11": 1})


def test_a_server_that_starts_processes_itself_finds_the_application() -> None:
    program = """
from wsgiref.util import setup_testing_defaults
from shop.wsgi import application
environ = {"PATH_INFO": "/products/CHN-11"}
setup_testing_defaults(environ)
print(b"".join(application(environ, lambda status, headers: print(status))).decode())
"""
    served = subprocess.run(
        [sys.executable, "-c", program], cwd=EXAMPLES, capture_output=True, text=True, timeout=30, check=True
    )
    assert served.stdout.startswith('200 OK\n{"sku": "CHN-11"')
    assert served.stderr == ""


# Its customers


def test_a_seed_fixes_the_whole_plan(visits: ModuleType) -> None:
    def plan(seed: int) -> list[object]:
        return list(visits.plan(["CHN-11", "CHN-12"], seed=seed, rate=50, seconds=10, count=1000))

    assert plan(7) == plan(7)
    assert plan(7) != plan(8)


def test_a_plan_keeps_its_bounds(visits: ModuleType) -> None:
    by_time = list(visits.plan(["CHN-11"], seed=7, rate=50, seconds=10, count=10_000))
    by_count = list(visits.plan(["CHN-11"], seed=7, rate=50, seconds=10_000, count=100))

    assert 400 < len(by_time) < 600
    assert max(visit.due for visit in by_time) <= 10
    assert len(by_count) == 100


def test_the_default_plan_orders_something_fatal_within_the_first_seconds(visits: ModuleType) -> None:
    parts_on_sale = [f"PART-{number}" for number in range(36)]
    plan = visits.plan(parts_on_sale, seed=18, rate=40, seconds=3, count=1000)
    countries = [request.body["country"] for visit in plan for request in visit.requests if request.kind == "checkout"]
    assert "CH" in countries


def test_the_load_ends_after_as_many_visits_as_it_was_given(shop: Shop) -> None:
    load = run_example("load.py", "--url", shop.url, "--rate", "200", "--count", "40", "--seed", "11")
    assert load.returncode == 0
    assert "\n40 visits in " in load.stdout
    assert re.search(r"product page +\d+ +0 ", load.stdout)


def test_the_load_ends_when_its_time_is_up(shop: Shop) -> None:
    load = run_example("load.py", "--url", shop.url, "--seconds", "0.5", "--seed", "12", timeout=20)
    assert load.returncode == 0
    assert " visits in 0." in load.stdout


def test_ctrl_c_ends_the_load_with_its_summary(shop: Shop, wait_until: Callable[..., None]) -> None:
    load = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "load.py"), "--url", shop.url, "--seed", "13"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    names = Path(f"/proc/{load.pid}/task")
    if not names.is_dir():
        pytest.skip("tells from /proc that the load runs")
    wait_until(lambda: len(list(names.iterdir())) > 16)
    load.send_signal(signal.SIGINT)
    summary, errors = load.communicate(timeout=20)
    assert (load.returncode, errors) == (0, f"load: 40 visits a second to {shop.url}\n")
    assert " visits in " in summary


def test_requests_without_an_answer_are_counted_and_make_the_load_fail(wait_until: Callable[..., None]) -> None:
    with running_shop() as shop:
        load = subprocess.Popen(
            [sys.executable, str(EXAMPLES / "load.py"), "--url", shop.url, "--seconds", "4"],
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: shop.health()["workers_started"])
        shop.end(signal.SIGTERM)
        summary, _ = load.communicate(timeout=30)
    assert load.returncode == 1
    assert re.search(r"product page +\d+ +[1-9]", summary)


def test_a_load_without_a_shop_is_one_clear_line() -> None:
    load = run_example("load.py", "--url", f"http://127.0.0.1:{free_port()}")
    assert load.returncode == 1
    assert re.fullmatch(r"load: no shop at http://127\.0\.0\.1:\d+: .*refused\n", load.stderr)


@pytest.mark.parametrize("url", ["http://192.0.2.1:8080", "http://shop.example", "https://127.0.0.1", "127.0.0.1:8080"])
def test_the_load_goes_to_this_machine_only(url: str) -> None:
    load = run_example("load.py", "--url", url)
    assert load.returncode == 2
    assert "expected http:// and a loopback address" in load.stderr


# Under observation


def test_a_program_on_the_thread_module_prints_its_locks_by_name(tmp_path: Path) -> None:
    for name, content in (("a", "same"), ("b", "same"), ("c", "other")):
        (tmp_path / name).write_text(content)

    direct = run_example("direct.py", str(tmp_path), "--threads", "2")

    assert direct.returncode == 0, direct.stderr
    assert direct.stdout.startswith("3 files read, 1 of them duplicates of another; 0 could not be read\n")
    # Each of the two threads asks once more than it gets.
    assert re.search(r"^walk through the folders +5 ", direct.stdout, re.MULTILINE)
    assert re.search(r"^table of digests +3 ", direct.stdout, re.MULTILINE)
    assert "2 threads 'reader'" in direct.stdout


def needs_exporters() -> None:
    pytest.importorskip("prometheus_client")
    pytest.importorskip("rich")


def can_listen(listener: socket.socket, port: int) -> bool:
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        return False
    listener.listen()
    return True


def test_the_demo_names_the_hot_lock_and_the_dead_worker(wait_until: WaitUntil) -> None:
    needs_exporters()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Another run of this test may be using it.
        wait_until(partial(can_listen, taken, 9464), timeout=60.0)
        demo = run_example("demo.py", DEMO_SECONDS="4")

    assert demo.returncode == 0, demo.stdout + demo.stderr
    report = demo.stdout
    assert "port 9464 is not available" in report
    assert re.search(r"http://127\.0\.0\.1:(?!9464)\d+/metrics", report)
    # While it runs
    assert re.search(r"\d s  shop\.cache:Cache\._guard: waited for [\d.]+ s in total", report)
    assert re.search(r"\d+ ended by KeyError in shop\.fulfilment:Fulfilment\._work", report)
    # What its customers saw
    assert re.search(r"^product page +\d+ +0 ", report, re.MULTILINE)
    # The closing report: the lock, its waiters' and its owner's sites, the exception and its place
    assert re.search(r"shop\.cache:Cache\._guard +lock, \S*cache\.py:\d+", report)
    assert re.search(r"in \d+ waits? +shop\.cache\.Cache\.get +\(\S*cache\.py:\d+\)", report)
    assert re.search(r"owner +shop\.storage\.Connection\.query +\(\S*storage\.py:\d+\)", report)
    assert re.search(r"shop\.cache\.Cache\.refresh +\(\S*cache\.py:\d+\)", report)
    assert re.search(r"\d+ × KeyError in shop\.fulfilment:Fulfilment\._work", report)
    assert re.search(r"raised at +shop\.fulfilment\.postage +\(\S*fulfilment\.py:\d+\)", report)
    # One request by its spans: the wait, and what the owner did meanwhile
    tree = report[report.index("\nOne slow request\n") :]
    assert re.search(r"ms  [├└]─ waited for shop\.cache:Cache\._guard$", tree, re.MULTILINE)
    assert re.search(r"held by  \S+ \(\S+:\d+\)$", tree, re.MULTILINE)
    assert re.search(r"ms[ │]+[├└]─ refresh catalogue", tree)
    assert re.search(r"(refresh catalogue|SELECT \w+)  ← the owner was here$", tree, re.MULTILINE)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_or_a_closed_terminal_ends_the_demo_with_the_report(ending: signal.Signals) -> None:
    needs_exporters()
    demo = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "demo.py")],
        env={name: value for name, value in os.environ.items() if name != "DEMO_SECONDS"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert demo.stdout is not None
    while not (line := demo.stdout.readline()).startswith("Ends on Ctrl-C"):
        assert line, "the demo ended by itself"
    demo.send_signal(ending)
    report, errors = demo.communicate(timeout=60)
    assert demo.returncode == 0, report + errors
    assert "Coverage" in report


def test_a_service_that_does_not_start_ends_the_demo_with_one_clear_line(tmp_path: Path) -> None:
    needs_exporters()
    (tmp_path / "waitress.py").write_text("raise ImportError")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)

    # Sooner than the demo gives up on a service that is still starting.
    demo = run_example("demo.py", timeout=20, DEMO_SECONDS="4", PYTHONPATH=path)

    assert demo.returncode == 1
    assert re.search(r"^shop: waitress is not installed", demo.stderr, re.MULTILINE)
    assert re.search(r"^demo: the service did not start: .*ended with status 1$", demo.stderr, re.MULTILINE)


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "inf", "nan"])
def test_demo_seconds_that_are_no_time_are_refused(seconds: str) -> None:
    demo = run_example("demo.py", DEMO_SECONDS=seconds)
    assert demo.returncode == 2
    assert demo.stderr == f"demo: DEMO_SECONDS: expected a number of seconds above 0, got '{seconds}'\n"
