"""Programs that nobody prepared, one a function: `python planted.py NAME` plants what it says and stays in it."""

from __future__ import annotations

import queue
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

accounts = threading.Lock()
journal = threading.Lock()
ledger = threading.Lock()
for_ever = 1000
keep: list[object] = []


def start(*functions: Callable[[], object]) -> None:
    for function in functions:
        threading.Thread(target=function, name=function.__name__, daemon=True).start()


def meeting(count: int) -> Callable[[], object]:
    """Something that lets as many threads go on as there are, when all of them are there."""
    return threading.Barrier(count).wait


def two_locks_by_with() -> None:
    meet = meeting(2)

    def transfer() -> None:
        with accounts:
            meet()
            with journal:
                pass

    def audit() -> None:
        with journal:
            meet()
            with accounts:
                pass

    start(transfer, audit)


def three_locks() -> None:
    meet = meeting(3)

    def first() -> None:
        with accounts:
            meet()
            with journal:
                pass

    def second() -> None:
        with journal:
            meet()
            ledger.acquire()

    def third() -> None:
        with ledger:
            meet()
            accounts.acquire(True, -1)

    def bystander() -> None:
        with accounts:
            pass

    start(first, second, third, bystander)


def two_locks_by_acquire() -> None:
    meet = meeting(2)

    def transfer() -> None:
        accounts.acquire()
        meet()
        journal.acquire()

    def audit() -> None:
        journal.acquire()
        meet()
        accounts.acquire()

    start(transfer, audit)


def two_rlocks() -> None:
    meet = meeting(2)
    one, two = threading.RLock(), threading.RLock()

    def transfer() -> None:
        one.acquire()
        one.acquire()
        meet()
        two.acquire()

    def audit() -> None:
        with two:
            meet()
            one.acquire()

    start(transfer, audit)


def two_bounded_semaphores() -> None:
    meet = meeting(2)
    desks, printers = threading.BoundedSemaphore(1), threading.BoundedSemaphore(1)

    def clerk() -> None:
        with desks:
            meet()
            with printers:
                pass

    def courier() -> None:
        with printers:
            meet()
            with desks:
                pass

    start(clerk, courier)


def semaphore_of_unknown_size() -> None:
    desks = threading.Semaphore(2)
    meet = meeting(3)

    def clerk() -> None:
        with desks:
            meet()
            time.sleep(for_ever)

    def silent() -> None:
        desks.acquire()
        meet()
        time.sleep(for_ever)

    def courier() -> None:
        meet()
        desks.acquire()

    start(clerk, silent, courier)


def condition() -> None:
    changed = threading.Condition()

    def listener() -> None:
        with changed:
            changed.wait()

    start(listener)


def condition_whose_lock_another_has() -> None:
    changed = threading.Condition(accounts)
    meet = meeting(2)

    def listener() -> None:
        with changed:
            start(holder)
            changed.wait()

    def holder() -> None:
        with accounts:
            meet()
            time.sleep(for_ever)

    def applicant() -> None:
        meet()
        with changed:
            pass

    start(listener, applicant)


def condition_that_wants_its_lock_back() -> None:
    changed = threading.Condition(threading.Lock())

    def listener() -> None:
        with changed:
            changed.wait()

    def speaker() -> None:
        while True:
            with changed:
                if changed._waiters:  # type: ignore[attr-defined]
                    changed.notify()
                    time.sleep(for_ever)

    start(listener, speaker)


def empty_queue() -> None:
    jobs: queue.Queue[int] = queue.Queue()

    def consumer() -> None:
        jobs.get()

    def patient() -> None:
        jobs.get(timeout=for_ever)

    def simple() -> None:
        queue.SimpleQueue[int]().get()

    start(consumer, patient, simple)


def full_queue_under_a_lock() -> None:
    jobs: queue.Queue[int] = queue.Queue(1)
    jobs.put(1)
    held = threading.Event()

    def producer() -> None:
        with accounts:
            held.set()
            jobs.put(2)

    def client() -> None:
        held.wait()
        with accounts:
            pass

    start(producer, client)


def joins_in_a_ring() -> None:
    threads: list[threading.Thread] = []
    meet = meeting(2)

    def left() -> None:
        meet()
        threads[1].join()

    def right() -> None:
        meet()
        threads[0].join()

    threads.extend(threading.Thread(target=each, name=each.__name__, daemon=True) for each in (left, right))
    for thread in threads:
        thread.start()


def join_under_a_lock(limit: float | None = None) -> None:
    held = threading.Event()

    def worker() -> None:
        held.wait()
        with accounts:
            pass

    thread = threading.Thread(target=worker, name="worker", daemon=True)

    def closer() -> None:
        with accounts:
            held.set()
            thread.join(limit)

    thread.start()
    start(closer)


def join_with_a_time_limit() -> None:
    join_under_a_lock(for_ever)


def future_under_a_lock() -> None:
    pool = ThreadPoolExecutor(1, thread_name_prefix="pool")

    def task() -> None:
        with accounts:
            pass

    def client() -> None:
        with accounts:
            pool.submit(task).result()

    start(client)


def future_nobody_sets() -> None:
    def client() -> None:
        Future[int]().result()

    start(client)


def pool_in_itself() -> None:
    pool = ThreadPoolExecutor(2, thread_name_prefix="pool")
    meet = meeting(2)

    def inner() -> None:
        pass

    def outer() -> None:
        meet()
        pool.submit(inner).result()

    pool.submit(outer)
    pool.submit(outer)


def pool_with_room() -> None:
    pool = ThreadPoolExecutor(2, thread_name_prefix="pool")

    def inner() -> None:
        time.sleep(for_ever)

    def outer() -> None:
        pool.submit(inner).result()

    pool.submit(outer)


def sleeping_owner() -> None:
    held = threading.Event()

    def sleeper() -> None:
        with accounts:
            held.set()
            time.sleep(for_ever)

    def client() -> None:
        held.wait()
        with accounts:
            pass

    start(sleeper, client)


class Connection:
    def __init__(self, ours: socket.socket, held: threading.Event) -> None:
        self._guard = threading.Lock()
        self.ours, self.held = ours, held

    def query(self) -> None:
        with self._guard:
            self.held.set()
            self.ours.recv(1)


def socket_under_a_lock() -> None:
    ours, theirs = socket.socketpair()
    held = threading.Event()
    keep.append(theirs)
    connection = Connection(ours, held)

    def client() -> None:
        held.wait()
        connection.query()

    start(connection.query, client)


def lock_twice() -> None:
    def careless() -> None:
        with accounts:
            inside()

    def inside() -> None:
        accounts.acquire()

    start(careless)


def rlock_of_an_ended_thread() -> None:
    lock = threading.RLock()
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()

    def client() -> None:
        # Another gets the ident of the one that has ended, and does not hold the lock for all that.
        if threading.get_ident() == thread.ident:
            threading.Thread(target=client, name="client", daemon=True).start()
            threading.current_thread().name = "heir"
            time.sleep(for_ever)
        with lock:
            pass

    start(client)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    print("planted", flush=True)
    sys.stdin.readline()
