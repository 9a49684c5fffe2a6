"""The wait-for graph: who waits for what, who could end that, and which threads wait for ever.

It knows threads as keys of any kind, reads no clock and does no input or output, so that a process can use it on itself
and a tool on another process.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Wait:
    """Wait of one thread."""

    enders: frozenset[Hashable]
    """Threads each of which alone could end it: the owner of a lock, the workers of a pool."""
    complete: bool
    """True if nobody else could end it."""
    timed: bool = False
    """True if it ends by itself."""


def stuck(waits: Mapping[Hashable, Wait]) -> set[Hashable]:
    """Return the threads that wait for ever: each waits without limit for what only others of them could end."""
    found = {thread for thread, wait in waits.items() if wait.complete and not wait.timed}
    while True:
        free = {thread for thread in found if not waits[thread].enders <= found}
        if not free:
            return found
        found -= free


def suspected(waits: Mapping[Hashable, Wait]) -> set[Hashable]:
    """Return the threads that would wait for ever if nobody but the known `enders` could end a wait."""
    known = {thread: Wait(wait.enders, bool(wait.enders)) for thread, wait in waits.items()}
    return stuck(known)


def knots(waits: Mapping[Hashable, Wait], threads: Iterable[Hashable]) -> list[list[Hashable]]:
    """Return the groups among `threads` that wait for each other in a ring, each in the order of the ring.

    Threads that wait for such a group without being waited for are in none.
    """
    members = set(threads)
    return [_in_order(waits, group) for group in _rings(waits, members)]


def _rings(waits: Mapping[Hashable, Wait], members: set[Hashable]) -> list[set[Hashable]]:
    reach = {thread: _reachable(waits, thread, members) for thread in members}
    rings: list[set[Hashable]] = []
    for thread in sorted(members, key=repr):
        if thread in reach[thread] and not any(thread in ring for ring in rings):
            rings.append({other for other in reach[thread] if thread in reach[other]})
    return rings


def _reachable(waits: Mapping[Hashable, Wait], start: Hashable, members: set[Hashable]) -> set[Hashable]:
    found: set[Hashable] = set()
    todo = [start]
    while todo:
        for ender in waits[todo.pop()].enders & members:
            if ender not in found:
                found.add(ender)
                todo.append(ender)
    return found


def _in_order(waits: Mapping[Hashable, Wait], group: set[Hashable]) -> list[Hashable]:
    order: list[Hashable] = []
    todo = [min(group, key=repr)]
    while todo:
        thread = todo.pop()
        if thread not in order:
            order.append(thread)
            todo.extend(sorted((waits[thread].enders & group) - set(order), key=repr, reverse=True))
    return order


def victims(waits: Mapping[Hashable, Wait], threads: Iterable[Hashable], knot: Sequence[Hashable]) -> list[Hashable]:
    """Return the threads among `threads` that wait for a knot, directly or through others, without being in it."""
    members = set(threads)
    return sorted(
        (thread for thread in members - set(knot) if _reachable(waits, thread, members) & set(knot)), key=repr
    )
