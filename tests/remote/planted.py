"""Programs that nobody prepared, one a function: `python planted.py NAME` plants what it says and stays in it."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
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


def traces_of_earlier_statements() -> None:
    held = threading.Event()

    def leftover() -> None:
        with ledger:
            with accounts:
                with journal:
                    pass
        held.set()
        time.sleep(for_ever)

    def silent() -> None:
        held.wait()
        accounts.acquire()
        journal.acquire()
        start(client, other_client)
        time.sleep(for_ever)

    def client() -> None:
        with accounts:
            pass

    def other_client() -> None:
        journal.acquire()

    start(leftover, silent)


def silent_owner(after: threading.Event) -> Callable[[], None]:
    def client() -> None:
        with accounts:
            pass

    def silent() -> None:
        after.wait()
        accounts.acquire()
        start(client)
        time.sleep(for_ever)

    return silent


def released_inside() -> None:
    released = threading.Event()

    def generous() -> None:
        with accounts:
            accounts.release()
            released.set()
            time.sleep(for_ever)

    start(generous, silent_owner(released))


def released_in_a_function() -> None:
    released = threading.Event()

    def generous() -> None:
        with accounts:
            lend(accounts)

    def lend(lock: threading.Lock) -> None:
        lock.release()
        released.set()
        time.sleep(for_ever)

    start(generous, silent_owner(released))


def another_is_released_inside() -> None:
    held = threading.Event()

    def owner() -> None:
        with accounts:
            journal.acquire()
            try:
                pass
            finally:
                journal.release()
            held.set()
            time.sleep(for_ever)

    def client() -> None:
        held.wait()
        with accounts:
            pass

    start(owner, client)


def with_by_other_means() -> None:
    held = meeting(4)

    @contextlib.contextmanager
    def guarded() -> Iterator[None]:
        with accounts:
            yield

    def by_generator() -> None:
        with guarded():
            held()
            time.sleep(for_ever)

    def by_stack() -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(journal)
            held()
            time.sleep(for_ever)

    def by_condition() -> None:
        with threading.Condition(ledger):
            held()
            time.sleep(for_ever)

    def client() -> None:
        held()
        for lock in (accounts, journal, ledger):
            threading.Thread(target=want, args=(lock,), daemon=True).start()
        time.sleep(for_ever)

    def want(lock: threading.Lock) -> None:
        with lock:
            pass

    start(by_generator, by_stack, by_condition, client)


class Account:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def pay(self, other: Account, meet: Callable[[], object]) -> None:
        with self.lock:
            meet()
            with other.lock:
                pass


def one_class_two_locks() -> None:
    meet = meeting(2)
    mine, yours = Account(), Account()

    def pay() -> None:
        mine.pay(yours, meet)

    def pay_back() -> None:
        yours.pay(mine, meet)

    start(pay, pay_back)


class Shelves:
    def __init__(self) -> None:
        self.locks = {"north": threading.Lock(), "south": threading.Lock()}
        self.rows = [threading.Lock() for _ in range(3)]

    def move(self, first: threading.Lock, second: threading.Lock, meet: Callable[[], object]) -> None:
        with first:
            meet()
            with second:
                pass


def locks_in_containers() -> None:
    meet = meeting(2)
    shelves = Shelves()

    def out() -> None:
        shelves.move(shelves.locks["south"], shelves.rows[2], meet)

    def back() -> None:
        shelves.move(shelves.rows[2], shelves.locks["south"], meet)

    start(out, back)


def lock_as_target() -> None:
    def owner() -> None:
        with accounts:
            threading.Thread(target=accounts.acquire, name="bare", daemon=True).start()
            threading.Thread(target=lambda: accounts.acquire(timeout=for_ever), name="timed", daemon=True).start()
            time.sleep(for_ever)

    start(owner)


def deep_stack() -> None:
    sys.setrecursionlimit(100_000)
    deep = threading.Event()

    def dig(levels: int) -> None:
        if levels:
            dig(levels - 1)
        else:
            deep.set()
            time.sleep(for_ever)

    def owner() -> None:
        with accounts:
            dig(5_000)

    def client() -> None:
        deep.wait()
        with accounts:
            pass

    threading.stack_size(256 << 20)
    start(owner)
    threading.stack_size(0)
    start(client)


def many_threads() -> None:
    threading.stack_size(64 << 10)
    accounts.acquire()

    def client() -> None:
        with accounts:
            pass

    start(*[client] * int(sys.argv[2]))


def busy() -> None:
    def spin() -> None:
        while True:
            with accounts:
                pass

    start(spin, spin, spin)


def children() -> None:
    command = [sys.executable, "-I", __file__, "two_locks_by_with"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    keep.append(child)
    assert child.stdout
    child.stdout.readline()


def execs() -> None:
    def become_another() -> None:
        sys.stdin.readline()
        os.execv("/bin/sleep", ["sleep", "1000"])

    start(become_another)
    time.sleep(0.1)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    print("planted", flush=True)
    threading.Event().wait() if sys.argv[1] == "execs" else sys.stdin.readline()
