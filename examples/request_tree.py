"""One slow request as a tree: its own work, the lock it waited for, and the owner's work meanwhile.

Everything comes from the spans that a tracing backend would have. thread-telemetry sends the waits as spans, each with
a link to the span that the owner was in.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text
from trace_receiver import Span

NAME = "bold cyan"
ASIDE = "dim"
ALARM = "bold red"

LONG = 0.5
"""Fraction of the longest wait that a more telling one must reach to be shown instead."""

NOTABLE_SHARE = 0.01
"""Part of a wait spent on the GIL after the lock was free."""

LEAST_TEXT = 30
"""Minimum number of columns for a text, however deep in the tree."""

_HERE = f"{Path(__file__).resolve().parent}{os.sep}"

_IN_ASCII = str.maketrans({"├": "|", "└": "`", "│": "|", "─": "-", "×": "x", "←": "<-", "…": "..."})


class Traces:
    """Spans and their relations. References to spans that were not received are ignored."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self.spans = {span.span_id: span for span in spans}
        self._children: defaultdict[str, list[Span]] = defaultdict(list)
        for span in self.spans.values():
            self._children[span.parent_id].append(span)

    def children(self, span: Span) -> list[Span]:
        """Return the child spans in the order of their start."""
        return sorted(self._children.get(span.span_id, []), key=lambda child: child.started_at)

    def top(self, span: Span) -> Span:
        """Return the request that a span belongs to, or else the outermost span that was received."""
        seen = {span.span_id}
        while not span.is_request and (parent := self.spans.get(span.parent_id)) and parent.span_id not in seen:
            seen.add(parent.span_id)
            span = parent
        return span

    def owner(self, span: Span) -> Span | None:
        """Return the span that the lock's owner was in. None if this is not a wait or that span was not received."""
        owners = (link.span_id for link in span.links if link.attributes.get("python.lock.link") == "owner")
        return next((self.spans[owner] for owner in owners if owner in self.spans), None)

    def slow_request(self) -> Span | None:
        """Choose a request with a wait for a known owner: the longest, but preferably for another request."""
        waits = [wait for wait in self.spans.values() if self._explains_a_request(wait)]
        longest = max((wait.duration for wait in waits), default=0)
        long = [wait for wait in waits if wait.duration >= longest * LONG]
        chosen = max(long, key=lambda wait: (self._owner_is_request(wait), wait.duration), default=None)
        return None if chosen is None else self.top(chosen)

    def _explains_a_request(self, wait: Span) -> bool:
        owner, waiting = self.owner(wait), self.top(wait)
        return owner is not None and waiting.is_request and self.top(owner) is not waiting

    def _owner_is_request(self, wait: Span) -> bool:
        owner = self.owner(wait)
        return owner is not None and self.top(owner).is_request


@dataclass(frozen=True, slots=True)
class Line:
    text: Text
    first: str
    """Branch of the tree, printed before the text."""
    others: str
    """Branch of the tree for continuation lines."""
    after_start: int | None = None
    duration: int | None = None


class RequestTree:
    """A tree for rich to print, with a line per span: its start after that of the request, and its duration."""

    def __init__(self, traces: Traces, request: Span) -> None:
        self._traces = traces
        self._request = request

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = list(self._span(self._request, "", ""))
        times = [(_milliseconds(line.after_start), _milliseconds(line.duration)) for line in lines]
        start, took = (max(map(len, column)) for column in zip(*times, ("start", "took")))
        yield Text(f"  {'start':>{start}}  {'took':>{took}}", ASIDE)
        for line, (at, duration) in zip(lines, times):
            columns = f"  {at:>{start}}  {duration:>{took}}  "
            room = max(options.max_width - len(columns) - len(line.first), LEAST_TEXT)
            first, *others = line.text.wrap(console, room)
            yield Text.assemble(columns, (line.first, ASIDE), first)
            for other in others:
                yield Text.assemble(" " * len(columns), (line.others, ASIDE), other)

    def _span(self, span: Span, first: str, others: str, meanwhile: Meanwhile | None = None) -> Iterator[Line]:
        title = _title(span)
        if meanwhile is not None and span is meanwhile.owner:
            title.append("  ← the owner was here", ALARM)
        yield Line(title, first, others, self._after_start(span), span.duration)
        for remark in _remarks(span):
            yield Line(remark, others, others)
        # Do not follow the owner's own waits.
        if meanwhile is None and (owner := self._traces.owner(span)) is not None:
            yield from self._owner(Meanwhile(span, owner), others)
        children = self._traces.children(span)
        if meanwhile is not None:
            during = [child for child in children if meanwhile.overlaps(child)]
            if left_out := len(children) - len(during):
                yield Line(Text(f"({left_out} more, before or after the wait)", ASIDE), others, others)
            children = during
        for run, branch, below in _branches(list(self._runs(children, meanwhile)), others):
            if len(run) > 1:
                took = run[-1].ended_at - run[0].started_at
                yield Line(_summary(run), branch, below, self._after_start(run[0]), took)
            else:
                yield from self._span(run[0], branch, below, meanwhile)

    def _after_start(self, span: Span) -> int:
        return span.started_at - self._request.started_at

    def _owner(self, meanwhile: Meanwhile, before: str) -> Iterator[Line]:
        top = self._traces.top(meanwhile.owner)
        kind = "" if top.is_request else ", which is no request"
        yield Line(Text(f"the owner meanwhile, trace {_short(top.trace_id)}{kind}:", ASIDE), before, before)
        [(_, branch, below)] = _branches([[top]], before)
        yield from self._span(top, branch, below, meanwhile)

    def _runs(self, spans: list[Span], meanwhile: Meanwhile | None) -> Iterator[list[Span]]:
        """Group consecutive spans of one name, but keep spans apart that have details of their own."""

        def key(span: Span) -> tuple[str, str]:
            owner = meanwhile is not None and span is meanwhile.owner
            alone = owner or span.links or any(_remarks(span)) or self._traces.children(span)
            return span.name, span.span_id if alone else ""

        return (list(run) for _, run in groupby(spans, key))


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """A wait, and the span that the owner was in meanwhile."""

    wait: Span
    owner: Span

    def overlaps(self, span: Span) -> bool:
        return span.started_at < self.wait.ended_at and span.ended_at > self.wait.started_at


def slow_request(spans: Sequence[Span], file: TextIO, width: int) -> str:
    """Format one slow request for a file, or say why there is none to show."""
    traces = Traces(spans)
    request = traces.slow_request()
    if request is None:
        if not spans:
            return "None to show: no spans were received."
        return f"None to show: none of {len(spans):,} spans is a wait for a lock in a request with a known owner."
    title = Text(f"  trace {_short(request.trace_id)}; times count from the start of the request", ASIDE)
    return _printed([title, RequestTree(traces, request)], file, width)


def _printed(content: Iterable[RenderableType], file: TextIO, width: int) -> str:
    console = Console(file=file, width=width, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        for each in content:
            console.print(each, crop=False)
    text = "\n".join(line.rstrip() for line in capture.get().splitlines())
    encoding = file.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_IN_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


def _branches(runs: list[list[Span]], before: str) -> Iterator[tuple[list[Span], str, str]]:
    for number, run in enumerate(runs, start=1):
        branch, below = ("└─ ", "   ") if number == len(runs) else ("├─ ", "│  ")
        yield run, before + branch, before + below


def _title(span: Span) -> Text:
    lock = span.attributes.get("python.lock.name")
    if lock is not None:
        return Text.assemble(("waited for ", ALARM), (_printable(lock), NAME))
    details = [span.attributes.get(key) for key in ("http.response.status_code", "http.status_code")]
    status = next((f"  answered {status}" for status in details if status is not None), "")
    return Text.assemble((_printable(span.name), NAME if span.is_request else ""), (status, ASIDE))


def _summary(run: list[Span]) -> Text:
    average = sum(span.duration for span in run) // len(run)
    return Text.assemble(f"{len(run)} × {_printable(run[0].name)}", (f"  {_milliseconds(average)} each", ASIDE))


def _remarks(span: Span) -> Iterator[Text]:
    """Describe a wait: its place, its end, and the place of the owner."""
    if "python.lock.name" not in span.attributes:
        return
    place = _site(span, "code")
    waiters = span.attributes.get("python.lock.waiters", 1)
    queue = f", {waiters} threads in the queue" if waiters > 1 else ""
    outcome = span.attributes.get("python.lock.wait.outcome", "acquired")
    ending = f", {outcome}" if outcome != "acquired" else ""
    for_the_gil = span.attributes.get("python.lock.wait.gil.duration", 0.0) * 1e9
    gil = f", {_milliseconds(for_the_gil)} of it for the GIL" if for_the_gil > span.duration * NOTABLE_SHARE else ""
    yield Text.assemble(("at       ", ASIDE), place, (queue + ending + gil, ASIDE))
    owner = _site(span, "python.lock.owner")
    yield Text.assemble(("held by  ", ASIDE), owner or "nobody any more")


def _site(span: Span, prefix: str) -> str:
    function, file, line = (
        span.attributes.get(f"{prefix}.{what}") for what in ("function.name", "file.path", "line.number")
    )
    if function is None:
        return ""
    # Paths relative to this folder are enough for the shop's own files.
    return _printable(f"{function} ({str(file).removeprefix(_HERE)}:{line})" if file else str(function))


def _short(identifier: str) -> str:
    return identifier[:8]


def _milliseconds(nanoseconds: float | None) -> str:
    return "" if nanoseconds is None else f"{nanoseconds / 1e6:.1f} ms"


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]
