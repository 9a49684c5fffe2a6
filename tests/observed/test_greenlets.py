"""Programs that gevent or eventlet has patched: nothing is observed that is theirs, and everything works."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from programs import run

PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()\n",
    "eventlet": "import eventlet; eventlet.monkey_patch()\n",
}

BEGIN = """
import warnings
warnings.simplefilter("ignore")
"""

IMPORTS = "import threading, queue, concurrent.futures\n"

OBSERVE = """
from thread import telemetry
try:
    telemetry.instrument()
except RuntimeError as error:
    print("refused", error)
"""

PROGRAM = """
import concurrent.futures, queue, thread, threading, time

def use_all():
    lock, rlock, barrier = threading.Lock(), threading.RLock(), threading.Barrier(2)
    permits, items, ended = threading.Semaphore(2), queue.Queue(3), threading.Event()
    counted, received, inside, most = [], [], [], []

    def count():
        for number in range(100):
            with lock, rlock:
                counted.append(number)

    def produce():
        for number in range(50):
            items.put(number)
        ended.set()

    def consume():
        while len(received) < 50:
            received.append(items.get())

    def enter():
        with permits:
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.002)
            inside.pop()

    targets = [count] * 3 + [produce, consume] + [enter] * 4 + [lambda: barrier.wait(10)] * 2
    workers = [threading.Thread(target=target) for target in targets]
    for worker in workers:
        worker.start()
    assert ended.wait(10)
    for worker in workers:
        worker.join(10)
        assert not worker.is_alive()
    with threading.Condition() as condition:
        pass
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        doubled = list(executor.map(lambda number: number * 2, range(3)))
    assert (len(counted), received, max(most), doubled) == (300, list(range(50)), 2, [0, 2, 4])

guard = thread.allocate_lock(name="guard")
with guard:
    use_all()
print([(lock.name, lock.acquisitions) for lock in telemetry.snapshot().locks if lock.name == "guard"])
print(telemetry.snapshot().coverage.replaced_by)
telemetry.uninstrument()
use_all()
print("done")
"""

OBSERVED_ALL_THE_SAME = "[('guard', 1)]"


@pytest.fixture(params=PATCHES)
def library(request: pytest.FixtureRequest) -> str:
    # Not imported here, where it would be loaded for the tests to come.
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


@pytest.mark.parametrize("imports", [IMPORTS, ""], ids=["threading imported", "nothing imported"])
def test_what_was_patched_before_is_refused_and_works(library: str, imports: str) -> None:
    finished = run(BEGIN + PATCHES[library] + imports + OBSERVE + PROGRAM)
    lines = finished.stdout.splitlines()
    assert lines[0].startswith("refused cannot observe threading"), finished.stderr
    assert f"{library} is loaded" in lines[0]
    assert lines[1:] == [OBSERVED_ALL_THE_SAME, library, "done"], finished.stderr


@pytest.mark.parametrize("imports", [IMPORTS, ""], ids=["threading imported", "nothing imported"])
def test_what_is_patched_afterwards_works(library: str, imports: str) -> None:
    finished = run(BEGIN + imports + OBSERVE + PATCHES[library] + PROGRAM)
    assert finished.stdout.splitlines() == [OBSERVED_ALL_THE_SAME, library, "done"], finished.stderr


def test_modules_imported_when_all_is_patched_are_left_alone_with_a_warning(library: str) -> None:
    warn = "import warnings\nwarnings.simplefilter('always', RuntimeWarning)\n"
    finished = run(warn + OBSERVE + PATCHES[library] + PROGRAM)
    assert finished.stdout.splitlines()[-1:] == ["done"], finished.stderr
    assert "RuntimeWarning: cannot observe threading: expected its" in finished.stderr
