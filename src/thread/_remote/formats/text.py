"""A dump for people: findings first, then the threads, the guilty ones first."""

from __future__ import annotations

from collections.abc import Iterator

from ..._findings.lines import duration
from ..views import Dump, FrameView, HoldView, OwnerView, ThreadView, WaitView

_WANTS = {
    "lock": "wants {}",
    "rlock": "wants {}",
    "semaphore": "wants a permit of {}",
    "condition": "waits to be notified by {}",
    "event": "waits for {} to be set",
    "barrier": "waits for the others at {}",
    "join": "waits for the end of {}",
    "start of a thread": "waits for {} to start",
    "queue.get": "waits for an item of {}",
    "queue.put": "waits for room in {}",
    "queue.join": "waits for all items of {} to be done",
    "future": "waits for the result of {}",
    "futures": "waits for the results of several futures",
    "work": "waits for work of its pool",
    "exit": "waits for the other threads, to exit",
}


def as_text(dump: Dump) -> str:
    """Return a dump as text, without any character that a terminal would obey."""
    return "".join(f"{printable(line)}\n" for line in _lines(dump))


def printable(text: str) -> str:
    """Return a text of the process with what is not printable replaced."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _lines(dump: Dump) -> Iterator[str]:
    build = " free-threaded" if dump.free_threaded else ""
    yield f"process {dump.pid}, Python {dump.python}{build}: {dump.command}"
    yield _summary(dump)
    yield ""
    if not dump.findings:
        yield "No finding."
    for finding in dump.findings:
        yield finding.line
    for thread in dump.threads:
        yield ""
        yield from _thread(thread)


def _summary(dump: Dump) -> str:
    waiting = sum(thread.wait is not None for thread in dump.threads)
    count = len(dump.threads)
    parts = [f"{count} thread{'s' * (count != 1)}, {waiting} of which wait{'s' * (waiting == 1)}"]
    parts.append(f"read in {duration(dump.took)}")
    if dump.paused is not None:
        parts.append(f"stopped for {dump.paused * 1000:.1f} ms")
    if not dump.complete:
        parts.append("not all threads could be read")
    return "; ".join(parts)


def _thread(thread: ThreadView) -> Iterator[str]:
    doing = f" in {thread.call}" if thread.call and thread.wait is None else ""
    yield f'"{thread.name}" (thread {thread.native_id}) {thread.state}{doing}'
    if thread.wait is not None:
        yield f"    {_wait(thread.wait)}"
        yield from (f"        {line}" for line in _owners(thread.wait))
    for hold in thread.holds:
        yield f"    {_hold(hold)}"
    for frame in thread.stack:
        yield f"    {frame.function} ({_place(frame)})"
    if not thread.complete:
        yield "    … not the whole stack"


def _wait(wait: WaitView) -> str:
    said = _WANTS.get(wait.kind, "waits for {}").format(wait.what)
    return said if wait.since is None else f"{said}, for {duration(wait.since)}"


def _owners(wait: WaitView) -> Iterator[str]:
    verb = {"join": "that is", "future": "to be given by", "exit": "that is"}.get(wait.kind, "held by")
    for owner in wait.owners[:8]:
        yield f"{verb} {_owner(owner)}"
    if len(wait.owners) > 8:
        yield f"and {len(wait.owners) - 8} more"
    if wait.kind in ("lock", "rlock"):
        if not wait.owners:
            yield "held by a thread that has ended" if wait.owners_seen else "held, by whom cannot be seen"
    elif wait.kind == "semaphore" and not wait.owners_seen:
        yield "held by others as well, which cannot be seen" if wait.owners else "held, by whom cannot be seen"


def _owner(owner: OwnerView) -> str:
    said = f'"{owner.thread}" (thread {owner.native_id})'
    if not owner.sure:
        return f"{said} by its ident, which it may have got from a thread that has ended"
    if owner.acquired is None:
        return said
    return f"{said}, acquired in {owner.acquired.function} ({_place(owner.acquired)})"


def _hold(hold: HoldView) -> str:
    doubt = "" if hold.sure else "; its body may have released it"
    return f"holds {hold.what}, acquired in {hold.acquired.function} ({_place(hold.acquired)}){doubt}"


def _place(frame: FrameView) -> str:
    return f"{frame.file}:{frame.line}" if frame.line is not None else frame.file
