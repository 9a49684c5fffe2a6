"""The port of a metrics page that nobody has asked for yet.

What makes the page takes longer to import than all else that a program waits for before its first line runs, and many
a process ends before anybody asks for its page. So a thread listens, and has the rest done when somebody comes.
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
"""The port that OpenTelemetry has chosen for Prometheus exporters."""
_DESCRIPTORS: Final = 16
"""Descriptors that have to be free when the page is made."""
_WITHOUT_DESCRIPTORS: Final = 1.0
"""Seconds until the next look, where the program has none left."""
_ORPHANED: Final = 0.5
"""Seconds between two looks of a forked child whether it has the port to itself, since the parent has ended. As long it
is left alone at first: a daemon begins by closing every descriptor, and one could be in the making meanwhile."""


def address(say: Callable[[str], object]) -> tuple[str, int]:
    """Host and port as the environment has them. A port that is none is a line, and the default is used."""
    host = os.environ.get("THREAD_TELEMETRY_HOST") or DEFAULT_HOST
    text = os.environ.get("THREAD_TELEMETRY_PORT") or str(DEFAULT_PORT)
    if text.isdecimal() and int(text) <= 65535:
        return host, int(text)
    # A service of that name has Kubernetes put `tcp://…` there.
    expected = f"THREAD_TELEMETRY_PORT: expected a port number from 0 to 65535, got {text!r}"
    say(f"{expected}; the default {DEFAULT_PORT} is used")
    return host, DEFAULT_PORT


def from_environment(**options: Any) -> LazyPage:
    """What waits at the address that the environment has. The options are those of `LazyPage`."""
    return LazyPage(*address(options["say"]), **options)


_tasks: Final[dict[int, deque[Callable[[], object]]]] = {}
"""What threads are to do that received a client, by their identifiers."""


def do_in_this_thread(task: Callable[[], object]) -> bool:
    """Have this thread go on with something, if it is one that received the first client. Returns whether it is.

    Once the main thread has come to its end, no other can be started from 3.12 on, and those that run go on.
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
    """Listens on `host` and `port`, now or as soon as they can be had, and calls `come` when a client comes.

    `thread` makes a thread from what it runs and from what wakes it; `once_it_lives_on` has something done once a
    forked child shows that it does. `say` is told where the page is, or why it is nowhere, but not in children of a
    process that has one. `interval` seconds after that it is tried again.

    A forked child takes the port over when its parents have ended. It looks for that in a thread, which it has once it
    lives on, and from the beginning if it is a daemon that has forked twice.
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
        """Held by who changes what listens."""
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
        """Where the page will be, None while it is nowhere."""
        if self._listener is None:
            return None
        host, port = self._listener.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"

    def end(self) -> LendingListener | None:
        """Give the port away, with the client that may wait there. None if there is no port."""
        with self._turn:
            self._is_over = True
            listener, self._listener = self._listener, None
        self._wake()
        return listener

    def after_fork_in_child(self) -> None:
        """Leave the port to the parent for as long as that lives."""
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
            # Its parent has left the session and leads the new one.
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
                    f"no metrics are served, since port {self._port} of {self._host} cannot be had: {reason}; the "
                    "program runs on, THREAD_TELEMETRY_PORT and THREAD_TELEMETRY_HOST choose another address"
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
                # Somebody has closed a descriptor between the look at it and its use.
                self._rest(_WITHOUT_DESCRIPTORS)
                continue
            if visited:
                self._receive()
                return

    def _is_visited(self) -> bool:
        """Have what is needed, and wait for a client. Returns whether one is there, and the page can be made."""
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
        """Sleep until a client comes, or it is time for something else."""
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
        """Whether the page can be made now: what cannot be imported then, never can."""
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
