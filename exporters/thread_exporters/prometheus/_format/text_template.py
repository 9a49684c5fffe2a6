"""Text templates that are compiled to functions."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from itertools import groupby
from typing import Protocol, cast


class TextFunction(Protocol):
    """Function that fills in the placeholders of a text."""

    def __call__(self, *values: object) -> str: ...


def text_function(pieces: Iterable[str | int], arguments: int) -> TextFunction:
    """Compile a function with the given number of arguments that joins `pieces`. An int stands for that argument.

    The function is an f-string, which formats numbers twice as fast as any formatting at run time. It is built as a
    syntax tree and not as source, because the text may contain quotes and braces.
    """
    names = [f"_{index}" for index in range(arguments)]
    values: list[ast.expr] = []
    for is_text, group in groupby(pieces, lambda piece: isinstance(piece, str)):
        if is_text:
            values.append(ast.Constant("".join(cast("Iterable[str]", group))))
        else:
            values += [
                ast.FormattedValue(ast.Name(names[cast("int", index)], ast.Load()), conversion=-1) for index in group
            ]
    signature = ast.arguments(
        posonlyargs=[ast.arg(name) for name in names], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    function = ast.Expression(ast.Lambda(signature, ast.JoinedStr(values)))
    return cast("TextFunction", eval(compile(ast.fix_missing_locations(function), "<text>", "eval")))
