"""Parts of a PromQL expression."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import promql_parser
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    MatrixSelector,
    ParenExpr,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)

Path = tuple[Any, ...]


def children(node: Any) -> list[Any]:
    if isinstance(node, BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(node, Call):
        return list(node.args)
    if isinstance(node, MatrixSelector):
        return [node.vector_selector]
    if isinstance(node, AggregateExpr | ParenExpr | UnaryExpr | SubqueryExpr):
        return [node.expr]
    return []


def walk(node: Any, above: Path = ()) -> Iterator[tuple[Any, Path]]:
    """Yield every node below, with its ancestors, outermost first."""
    yield node, above
    for child in children(node):
        yield from walk(child, (*above, node))


def parse(expression: str) -> Any:
    """Parse an expression and return its root. Raises ValueError if it is not PromQL."""
    return promql_parser.parse(expression)


def selectors(node: Any) -> list[tuple[VectorSelector, Path]]:
    return [(found, above) for found, above in walk(node) if isinstance(found, VectorSelector)]


def made_labels(node: Any) -> set[str]:
    """Return the labels that the expression makes itself."""
    calls = [found for found, _ in walk(node) if isinstance(found, Call)]
    return {call.args[1].val for call in calls if call.func.name in ("label_join", "label_replace")}


def used_labels(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield the labels that the expression needs, each with the part that must have it."""
    for found, _ in walk(node):
        if isinstance(found, VectorSelector):
            yield from ((matcher.name, found) for matcher in found.matchers.matchers)
        elif isinstance(found, AggregateExpr) and found.modifier is not None:
            yield from ((label, found.expr) for label in found.modifier.labels)
        elif isinstance(found, BinaryExpr) and found.modifier is not None and found.modifier.matching is not None:
            for label in found.modifier.matching.labels:
                yield from ((label, side) for side in (found.lhs, found.rhs))
        elif isinstance(found, Call) and found.func.name == "label_join":
            yield from ((each.val, found.args[0]) for each in found.args[3:] if isinstance(each, StringLiteral))
