"""Folding of the files of ended processes into one, so that files do not pile up."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from .folder import TEMPORARY, Folder
from .json_format import COUNTS, ENDED, GAUGES, FileData, decode, encode
from .lock_file import LOCK, identity_in, order_of, process_exists, state_of
from .sums import added_up, as_samples

_FOLDING: Final = "thread.folding"
_SECONDS_TO_WRITE: Final = {True: 60.0, False: 1.0}
"""Time after which an unfinished file counts as abandoned, depending on whether its process id is in use."""
_SECONDS_UNKNOWN: Final = 60.0
"""Time after which a process counts as ended if it has no lock file and does not write."""


def fold_the_ended(folder: Folder, given: Folder, own: str, *, with_own: bool = False) -> list[str]:
    """Add up the files of ended processes and remove them. `own` is the identity of this process.

    `given` holds the files in prometheus_client's format, of which only gauges are removed.

    Only one process does this at a time. It writes the sum together with the identities it includes, and only then
    removes their files: an interruption loses nothing, and no reader counts anything twice. Returns complaints about
    unreadable files. Raises OSError if the sum cannot be written; then nothing has changed.
    """
    written = folder.stamp(own + COUNTS)
    names = folder.names()
    # Use the clock of the file system, because the program's may be set, or frozen in a test.
    now = written[0] / 1e9 if written else 0.0
    _remove_unfinished(folder, names, now)
    gone = [identity for identity in _identities(names) if identity != own and _has_ended(folder, identity, now)]
    if with_own:
        gone.append(own)
    with _alone(folder) if gone else _nobody() as is_alone:
        if not is_alone:
            return []
        remove_client_gauges(given, gone)
        return _fold(folder, own, sorted(gone, key=order_of))


def remove_client_gauges(given: Folder, identities: Iterable[str]) -> None:
    """Remove the gauges of some processes in prometheus_client's format."""
    ends = tuple(f"_{identity}.db" for identity in identities)
    for name in given.names():
        if name.startswith("gauge_live") and name.endswith(ends):
            given.remove(name)


def _remove_unfinished(folder: Folder, names: list[str], now: float) -> None:
    for name in names:
        if name.startswith("thread-") and name.endswith(TEMPORARY):
            stamp = folder.stamp(name)
            longest = _SECONDS_TO_WRITE[process_exists(name.partition(".")[0])]
            if stamp is not None and now - stamp[0] / 1e9 > longest:
                folder.remove(name)


def _identities(names: Iterable[str]) -> set[str]:
    found = {identity_in(name, suffix) for name in names for suffix in (COUNTS, GAUGES, LOCK)}
    return {identity for identity in found if identity is not None}


def _has_ended(folder: Folder, identity: str, now: float) -> bool:
    state = state_of(folder, identity)
    # Check the process id as well: a program that closes all descriptors loses our lock but lives on.
    if state == "lives" or process_exists(identity):
        return False
    stamp = folder.stamp(identity + COUNTS)
    return state == "ended" or stamp is None or now - stamp[0] / 1e9 > _SECONDS_UNKNOWN


@contextmanager
def _alone(folder: Folder) -> Iterator[bool]:
    import fcntl  # not everywhere

    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(folder.path / _FOLDING, flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            try:
                yield True
            finally:
                # A child that was forked meanwhile has the lock as well, and might never close it.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


@contextmanager
def _nobody() -> Iterator[bool]:
    yield False


def _fold(folder: Folder, own: str, gone: list[str]) -> list[str]:
    before = _data_in(folder, ENDED)
    if before is None:
        return []
    found = {
        identity: numbers
        for identity in gone
        if identity not in before.folded and (numbers := _data_in(folder, identity + COUNTS)) is not None
    }
    if any(numbers.numbers or numbers.histograms for numbers in found.values()):
        total = added_up([before, *found.values()])
        folded = {*before.folded.intersection(gone), *found}
        folder.write(ENDED, own, encode(COUNTS, as_samples(total), total.exemplars.items(), folded))
    for identity in {*found, *before.folded.intersection(gone)}:
        for suffix in (COUNTS, GAUGES, LOCK):
            folder.remove(identity + suffix)
    return [
        f"lost what cannot be read from {str(folder.path / name)!r}: {numbers.left_out}"
        for name, numbers in [(ENDED, before), *((f"{identity}{COUNTS}", each) for identity, each in found.items())]
        if numbers.left_out
    ]


def _data_in(folder: Folder, name: str) -> FileData | None:
    """Read a file. Empty if there is none, None if it is not a file of ours."""
    try:
        return decode(folder.read(name))
    except FileNotFoundError:
        return FileData()
    except OSError:
        return None
