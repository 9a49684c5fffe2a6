"""The list of threads that `threading` keeps."""

from __future__ import annotations

from _thread import get_ident

from .._inspection.objects import is_a, loaded


def forget_in_threading() -> None:
    """Remove this thread from `threading`'s list, into which `current_thread()`, called by `logging`, has put it."""
    active, dummy = loaded("threading", "_active"), loaded("threading", "_DummyThread")
    if type(active) is dict and dummy is not None and is_a(active.get(get_ident()), dummy):
        active.pop(get_ident(), None)
