"""A metrics page that is made when the first client asks for it.

Importing the modules that make the page takes longer than the rest of our start, and many processes end before anyone
asks for their page. So a thread listens, and the rest is imported when the first client connects.
"""

from __future__ import annotations

import _thread
import os
import select
import socket
from collections import deque
from collections.abc import Callable

from .descriptor import OwnSocket
from .lending_listener import LendingListener, PortOfAncestorError, has_observed_ancestor
from .parent_process import ParentProcess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 9464
"""OpenTelemetry's default port for Prometheus exporters."""
_DESCRIPTORS: Final = 16
"""Free descriptors needed to make the page."""
_WITHOUT_DESCRIPTORS: Final = 1.0
"""Seconds until the next try when the program has no descriptors left."""
_ORPHANED: Final = 0.5
"""Interval at which a forked child checks if its parent has ended and the port is free. It also waits this long before
the first check, because a daemon begins by closing every descriptor and must not close one that we are opening."""


def address(say: Callable[[str], object]) -> tuple[str, int]:
    """Read host and port from the environment. For an invalid port, `say` one line and use the default."""
    host = os.environ.get("THREAD_TELEMETRY_HOST") or DEFAULT_HOST
    text = os.environ.get("THREAD_TELEMETRY_PORT") or str(DEFAULT_PORT)
    if text.isdecimal() and int(text) <= 65535:
        return host, int(text)
    # Kubernetes puts `tcp://…` there for a service named `thread-telemetry`.
    expected = f"THREAD_TELEMETRY_PORT: expected a port number from 0 to 65535, got {text!r}"
    say(f"{expected}; using the default, {DEFAULT_PORT}")
    return host, DEFAULT_PORT


def from_environment(**options: Any) -> LazyPage:
    """Wait at the address that the environment gives. The options are those of `LazyPage`."""
    return LazyPage(*address(options["say"]), **options)


_tasks: Final[dict[int, deque[Callable[[], object]]]] = {}
"""Tasks for threads that received a first client, by thread identifier."""


def do_in_this_thread(task: Callable[[], object]) -> bool:
    """Give this thread a task if it has received a first client. Returns True if so.

    From Python 3.12 on, no thread can be started once the main thread has ended, but running threads go on.
    """
    tasks = _tasks.get(_thread.get_ident())
    if tasks is None or tasks:
        return False
    tasks.append(task)
    return True


def _session() -> int:
    return os.getsid(0) if hasattr(os, "getsid") else 0


def _locked() -> _thread.LockType:
    lock = _thread.allocate_lock()
    lock.acquire()
    return lock


class LazyPage:
    """Listens on `host` and `port`, as soon as the port is free, and calls `on_client` when a client connects.

    `thread` makes a thread from a function and a function that wakes it. `once_it_lives_on` postpones work until a
    forked child has shown that it will not exec or exit at once. `say` gets one line: the address of the page, or the
    reason why there is none. In children of a process with a page it is not called. Without a port, the next try comes
    after `interval` seconds.

    A forked child takes over the port when its parent has ended. A thread of the child watches for that: at once if the
    child is a daemon that has forked twice, otherwise once the child lives on.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        on_client: Callable[[], object],
        say: Callable[[str], object],
        thread: Callable[[Callable[[], object], Callable[[], object]], Any],
        once_it_lives_on: Callable[[Callable[[], object]], object],
        interval: float,
    ) -> None:
        self._host = host
        self._port = port
        self._on_client = on_client
        self._say = say
        self._interval = interval
        self._listener: LendingListener | None = None
        self._process = os.getpid()
        self._session = _session()
        self._parent: ParentProcess | None = None
        self._has_complained = False
        self._is_over = False
        self._turn = _thread.allocate_lock()
        """Held while the listener changes."""
        self._nap = _locked()
        self._open_wakeup()
        self._is_silent = has_observed_ancestor()
        self._try_to_listen()
        self._once_it_lives_on = once_it_lives_on
        self._new_thread = thread
        self._thread = thread(self._wait, self._wake)
        self._thread.start()

    @property
    def url(self) -> str | None:
        """Address of the page; None while no port is open."""
        if self._listener is None:
            return None
        host, port = self._listener.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"

    def end(self) -> LendingListener | None:
        """Hand over the port, with any client that is waiting there. None if there is no port."""
        with self._turn:
            self._is_over = True
            listener, self._listener = self._listener, None
        self._wake()
        return listener

    def after_fork_in_child(self) -> None:
        """Leave the port to the parent as long as the parent lives."""
        if self._is_over:
            return
        if self._listener is not None:
            self._listener.stay_in_child()
            self._listener = None
        self._turn = _thread.allocate_lock()
        self._nap = _locked()
        self._wakeup_receiver.close()
        self._wakeup_sender.close()
        self._open_wakeup()
        self._parent, self._process = ParentProcess(self._process), os.getpid()
        self._thread = self._new_thread(self._wait, self._wake)
        before, self._session = self._session, _session()
        if self._session in (before, self._process):
            self._once_it_lives_on(self._look_out)
        else:
            # The parent has started a new session and leads it.
            self._look_out()

    def _look_out(self) -> None:
        if self._is_over or self._thread.is_running:
            return
        try:
            self._thread.start()
        except RuntimeError:
            self._is_over = True

    def _open_wakeup(self) -> None:
        here, there = socket.socketpair()
        self._wakeup_receiver, self._wakeup_sender = OwnSocket(here), OwnSocket(there)

    def _wake(self) -> None:
        try:
            self._nap.release()
        except RuntimeError:
            pass
        try:
            if self._wakeup_sender.is_ours:
                self._wakeup_sender.socket.send(b".")
        except OSError:
            pass

    def _try_to_listen(self) -> None:
        if self._parent is not None and self._parent.lives:
            return
        try:
            self._listener = LendingListener(self._host, self._port)
        except PortOfAncestorError:
            pass
        except (OSError, UnicodeError) as error:
            if not self._has_complained:
                self._has_complained = True
                reason = getattr(error, "strerror", None) or error
                self._tell(
                    f"cannot serve metrics on {self._host}:{self._port}: {reason}; continuing without them "
                    "(to change the address, set THREAD_TELEMETRY_PORT or THREAD_TELEMETRY_HOST)"
                )
        else:
            self._session = _session()
            self._tell(f"metrics at {self.url}")

    def _tell(self, line: str) -> None:
        if not self._is_silent and self._parent is None:
            self._say(line)

    def _wait(self) -> None:
        if self._parent is not None and self._listener is None:
            self._rest(_ORPHANED)
        while not (self._is_over or self._thread.is_leaving):
            try:
                visited = self._is_visited()
            except OSError:
                # The program closed a descriptor after we checked it and before we used it.
                self._rest(_WITHOUT_DESCRIPTORS)
                continue
            if visited:
                self._receive()
                return

    def _is_visited(self) -> bool:
        """Repair what is broken, then wait for a client. Returns True if one is there and the page can be made."""
        if not self._wakeup_receiver.is_ours:
            self._open_wakeup()
        if self._listener is not None and not self._listener.is_ours:
            self._listener.close()
            self._listener = None
        if self._has_visitor():
            if self._has_descriptors():
                return True
            self._rest(_WITHOUT_DESCRIPTORS)
        with self._turn:
            if self._listener is None and not self._is_over:
                self._try_to_listen()
        return False

    def _has_visitor(self) -> bool:
        """Sleep until a client connects or there is something else to do. Returns True if a client is there."""
        listener = self._listener
        poll = select.poll()
        poll.register(self._wakeup_receiver.socket.fileno(), select.POLLIN)
        handover = listener.handover_socket if listener is not None else None
        if handover is not None:
            poll.register(handover.socket.fileno(), select.POLLIN)
        if listener is not None and not listener.is_lent:
            poll.register(listener.listening.socket.fileno(), select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(self._patience() * 1000)}
        if self._wakeup_receiver.socket.fileno() in ready and self._wakeup_receiver.is_ours:
            self._wakeup_receiver.socket.recv(64)
        if listener is None or self._is_over or self._thread.is_leaving:
            return False
        if handover is not None and handover.socket.fileno() in ready and handover.is_ours:
            listener.hand_over()
        return listener.listening.socket.fileno() in ready and listener.is_ours

    def _receive(self) -> None:
        tasks = _tasks[_thread.get_ident()] = deque[Callable[[], object]]()
        try:
            self._on_client()
        finally:
            _tasks.pop(_thread.get_ident(), None)
        for task in tasks:
            task()

    def _has_descriptors(self) -> bool:
        """Check if there are enough descriptors to make the page. A module that fails to import now never will."""
        copies: list[int] = []
        try:
            for _ in range(_DESCRIPTORS):
                copies.append(os.dup(self._wakeup_receiver.socket.fileno()))
        except OSError:
            return False
        finally:
            for copy in copies:
                os.close(copy)
        return True

    def _rest(self, seconds: float) -> None:
        self._nap.acquire(timeout=seconds)

    def _patience(self) -> float:
        return _ORPHANED if self._parent is not None and self._listener is None else self._interval
