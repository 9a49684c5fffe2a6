"""Programs that mislead, or make it hard, one a function: `python planted_traps.py NAME`, as in planted.py."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

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
    command = [sys.executable, "-I", __file__, "one_class_two_locks"]
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
