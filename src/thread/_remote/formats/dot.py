"""A dump as a graph for Graphviz: threads, what they wait for, and who holds that."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ..views import Dump, ThreadView
from .text import printable


def as_dot(dumps: Sequence[Dump]) -> str:
    """Return the wait-for graph of some processes; a thread in a finding is red."""
    lines = ["digraph waits {", "  rankdir=LR;", "  node [fontname=monospace];"]
    for dump in dumps:
        lines.extend(f"  {line}" for line in _process(dump))
    return "\n".join([*lines, "}", ""])


def _process(dump: Dump) -> Iterator[str]:
    guilty = {thread for finding in dump.findings for thread in finding.threads}
    wanted = {owner.native_id for thread in dump.threads if thread.wait for owner in thread.wait.owners}
    for thread in dump.threads:
        if thread.wait is not None or thread.native_id in wanted:
            yield from _thread(dump.pid, thread, thread.native_id in guilty)


def _thread(pid: int, thread: ThreadView, guilty: bool) -> Iterator[str]:
    node = quoted(f"{pid}/{thread.native_id}")
    where = f"\n{thread.stack[0].function}" if thread.stack else ""
    color = ", color=red" if guilty else ""
    yield f"{node} [label={quoted(thread.name + where)}, shape=box{color}];"
    if thread.wait is None:
        return
    resource = quoted(f"{pid}/{thread.wait.kind}/{thread.wait.what}")
    yield f"{resource} [label={quoted(thread.wait.what)}, shape=ellipse];"
    yield f"{node} -> {resource} [label={quoted(thread.wait.kind)}];"
    for owner in thread.wait.owners:
        yield f"{resource} -> {quoted(f'{pid}/{owner.native_id}')};"


def quoted(text: str) -> str:
    """Return a text as DOT writes it."""
    return json.dumps("\n".join(map(printable, text.split("\n"))), ensure_ascii=False)
