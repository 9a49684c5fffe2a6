"""Reads and adds up the metrics of all processes that write to one folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from time import sleep
from typing import Final

from ..._schema.metrics import UNREADABLE_FILES
from .._format.samples import Samples
from .folder import Folder, Stamp, own_part_of
from .json_format import COUNTS, ENDED, GAUGES, FileData, decode
from .lock_file import identity_in, order_of, process_exists, state_of
from .sums import added_up, as_samples

_TRIES: Final = 5
_PAUSE: Final = 0.01
_MOST_COMPLAINTS: Final = 100


class AllProcesses:
    """The metrics of all processes. Safe to use from any thread, and in a forked child.

    Files are read again only when they have changed, and those of ended processes are added up once. The caches need no
    lock: they are replaced as a whole, and at worst something is computed twice.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._known: dict[str, tuple[Stamp, FileData]] = {}
        self._ended: tuple[dict[str, Stamp], FileData, dict[str, str]] = ({}, FileData(), {})
        self._left_out_by_others: dict[str, str] = {}
        self._complaints: dict[str, str] = {}
        self._complained: set[str] = set()

    def samples(self) -> Samples:
        """Add up the samples of all processes."""
        found = FileData()
        for _ in range(_TRIES):
            # If another process folded files of ended processes meanwhile, numbers may be missing or counted twice.
            before = self._folder.stamp(ENDED)
            found = self._found()
            if self._folder.stamp(ENDED) == before:
                break
            sleep(_PAUSE)
        return as_samples(found)

    def leave_out(self, name: str, reason: str) -> None:
        """Count a file that another reader could not understand as unreadable on the next page."""
        self._left_out_by_others[name] = reason

    def complaints(self) -> Iterator[str]:
        """Yield one complaint for each unreadable file that has not been reported yet."""
        while self._complaints:
            name, reason = self._complaints.popitem()
            yield f"the metrics page omits what cannot be read from {name!r}: {reason}"

    def _found(self) -> FileData:
        names = set(self._folder.names())
        left_out, self._left_out_by_others = self._left_out_by_others, {}
        living, ended = [], {}
        for name in names:
            identity = identity_in(name, COUNTS)
            stamp = None if identity is None else self._folder.stamp(name)
            if identity is not None and stamp is not None:
                if _lives(self._folder, identity):
                    living.append(identity)
                else:
                    ended[identity] = stamp
        living.sort(key=order_of)
        parts = [self._data_in(f"{identity}{suffix}", left_out) for suffix in (COUNTS, GAUGES) for identity in living]
        # The sum of ended processes is read last. Files of processes it includes may still exist.
        sum_of_ended = self._data_in(ENDED, left_out)
        for identity in sum_of_ended.folded:
            ended.pop(identity, None)
        parts = [sum_of_ended, self._of_ended(ended, left_out), *parts]
        total = added_up(parts)
        total.numbers[UNREADABLE_FILES.name] = {(): len(left_out)}
        self._remember_to_say(left_out)
        self._forget_all_but({ENDED, *(f"{identity}{suffix}" for identity in living for suffix in (COUNTS, GAUGES))})
        return total

    def _remember_to_say(self, left_out: dict[str, str]) -> None:
        for name, reason in left_out.items():
            if name not in self._complained and len(self._complained) < _MOST_COMPLAINTS:
                self._complained.add(name)
                self._complaints[str(self._folder.path / name)] = reason

    def _of_ended(self, ended: dict[str, Stamp], left_out: dict[str, str]) -> FileData:
        known, total, known_left_out = self._ended
        if not known.items() <= ended.items():
            known, total, known_left_out = {}, FileData(), {}
        new = sorted(ended.keys() - known.keys(), key=order_of)
        if new:
            known_left_out = known_left_out.copy()
            parts = (self._read(f"{identity}{COUNTS}", known_left_out) for identity in new)
            total = added_up([total, *parts] if known else parts)
        self._ended = ended, total, known_left_out
        left_out.update(known_left_out)
        return total

    def _data_in(self, name: str, left_out: dict[str, str]) -> FileData:
        """Read a file that is likely to be read again, from the cache if it has not changed. Empty without a file."""
        stamp = self._folder.stamp(name)
        if stamp is None:
            return FileData()
        known = self._known.get(name)
        if known is None or known[0] != stamp:
            known = self._known[name] = stamp, self._read(name, left_out)
        elif known[1].left_out:
            left_out[name] = known[1].left_out
        return known[1]

    def _read(self, name: str, left_out: dict[str, str]) -> FileData:
        try:
            found = decode(self._folder.read(name))
        except FileNotFoundError:
            return FileData()
        except OSError as error:
            found = FileData(left_out=str(error.strerror or error))
        if found.left_out:
            left_out[name] = found.left_out
        return found

    def _forget_all_but(self, names: set[str]) -> None:
        for name in list(self._known):
            if name not in names:
                self._known.pop(name, None)


@cache
def all_processes(path: str) -> AllProcesses:
    """Return the only reader of a folder. Raises ValueError if there is no such folder."""
    try:
        folder = own_part_of(path)
    except OSError as error:
        raise ValueError(f"expected a folder, got {path!r}: {error.strerror}") from None
    if not os.path.isdir(path):
        raise ValueError(f"expected a folder, got {path!r}")
    return AllProcesses(folder)


def _lives(folder: Folder, identity: str) -> bool:
    state = state_of(folder, identity)
    # Someone may have removed the lock file of a living process, which makes a new one at its next export.
    return state == "lives" or (state == "unknown" and process_exists(identity))
