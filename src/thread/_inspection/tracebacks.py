"""Stack traces of exceptions: strings and numbers when taken, text when read.

A thread of the program takes the trace, so that is cheap and bounded, however deep the stack and long the chain of
causes. It reads no source, and runs no code of the program but `__str__`, once for each exception.
"""

from __future__ import annotations

import sys
from collections import deque
from itertools import islice
from types import CodeType, TracebackType

from .._base.code_origin import is_internal
from .._base.interruptions import is_interruption
from .naming import UNKNOWN_SITE, RawSite, describe_site, module_of
from .objects import as_text, class_name, is_a, namespace_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

MAX_TEXT: Final = 64 * 1024
OUTERMOST: Final = 16
INNERMOST: Final = 48
"""Frames to keep of a deeper stack; those in between are left out."""
MAX_EXCEPTIONS: Final = 16
"""Limit of exceptions in a chain of causes, members of groups included."""
_MAX_NOTES: Final = 16
_LONGEST_SOURCE: Final = 4_000_000

Frame = tuple[str, int, str, int | None, int | None, int | None]
"""File, line, function, and the position of the instruction: last line, column, last column."""

_BECAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
_DURING: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"

# The interpreter's own attributes, whatever a class of the program does with their names.
_traceback_of: Final[Any] = vars(BaseException)["__traceback__"].__get__
_cause_of: Final[Any] = vars(BaseException)["__cause__"].__get__
_context_of: Final[Any] = vars(BaseException)["__context__"].__get__
_is_context_suppressed: Final[Any] = vars(BaseException)["__suppress_context__"].__get__
_members_of: Final[Any] = vars(BaseExceptionGroup)["exceptions"].__get__


_has_details = True


def keep_details(wanted: bool) -> None:
    """Keep or drop messages, notes and source lines, also of traces taken before."""
    global _has_details
    _has_details = wanted


def has_details() -> bool:
    """True if they are kept."""
    return _has_details


def type_of(exception: BaseException) -> str:
    """Qualified name of the class, without the module if that is `builtins`."""
    module, qualname = class_name(type(exception))
    return qualname if module == "builtins" else f"{module}.{qualname}"


class Trace:
    """One exception, with those that led to it. Keeps nothing of them alive."""

    __slots__ = ("_frames", "_left_out", "_link", "_members", "_message", "_notes", "_origin", "_text", "_type", "site")

    def __init__(self, exception: BaseException, budget: list[int] | None = None) -> None:
        budget = [MAX_EXCEPTIONS] if budget is None else budget
        budget[0] -= 1
        module, qualname = class_name(type(exception))
        self._type = qualname if module in ("builtins", "__main__") else f"{module}.{qualname}"
        self._message = _message_of(exception) if _has_details else ""
        self._notes = _notes_of(exception) if _has_details else []
        self._text: str | None = None
        self._take_frames(_traceback_of(exception))
        self._link, origin = _origin_of(exception)
        self._origin = None if origin is None or budget[0] <= 0 else Trace(origin, budget)
        self._members: list[Trace] = []
        for member in _members_of(exception) if is_a(exception, BaseExceptionGroup) else ():
            if budget[0] <= 0:
                break
            self._members.append(Trace(member, budget))

    def _take_frames(self, traceback: TracebackType | None) -> None:
        outermost: list[TracebackType] = []
        innermost: deque[TracebackType] = deque(maxlen=INNERMOST)
        count = 0
        while traceback is not None:
            (outermost if count < OUTERMOST else innermost).append(traceback)
            traceback = traceback.tb_next
            count += 1
        self._left_out = max(count - OUTERMOST - INNERMOST, 0)
        kept = [*outermost, *innermost]
        self._frames: list[Frame] = [_frame_of(each) for each in kept]
        self.site = _site_of(kept)

    @property
    def message(self) -> str:
        """Text of the exception."""
        return self._message if _has_details else ""

    def __str__(self) -> str:
        if not _has_details:
            return _shortened("".join(self._chain()))
        if self._text is None:
            self._text = _shortened("".join(self._chain()))
            self._frames, self._members, self._origin = [], [], None
        return self._text

    def _chain(self) -> Iterator[str]:
        if self._origin is not None:
            yield from self._origin._chain()
            yield self._link
        if self._frames:
            yield "Traceback (most recent call last):\n"
            yield from self._lines_of_frames()
        yield f"{self._type}: {self.message}\n" if self.message else f"{self._type}\n"
        for note in self._notes if _has_details else ():
            yield f"{note}\n"
        for number, member in enumerate(self._members, 1):
            yield f"  +---------------- {number} ----------------\n"
            text = "".join(member._chain())
            yield "".join([f"  | {line}" for line in text.splitlines(keepends=True)])

    def _lines_of_frames(self) -> Iterator[str]:
        lines = _formatted(self._frames)
        if self._left_out:
            lines.insert(OUTERMOST, f"  [… {self._left_out} more frames …]\n")
        yield from lines


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT // 2]}\n[…]\n{text[-MAX_TEXT // 2 :]}"


def _formatted(frames: list[Frame]) -> list[str]:
    sources: dict[str, list[str]] = {}
    lines = []
    for filename, number, name, end_line, column, end_column in frames:
        if filename not in sources:
            sources[filename] = _source_of(filename)
        source = sources[filename][number - 1] if 0 < number <= len(sources[filename]) else ""
        text = f'  File "{filename}", line {number}, in {name}\n'
        if source.strip():
            text += f"    {source.strip()}\n"
            text += _marks(source, column, end_column) if end_line == number else ""
        lines.append(text)
    return lines


def _marks(source: str, column: int | None, end_column: int | None) -> str:
    """A line that marks the executed part of the source line; empty if that is all of it."""
    if column is None or end_column is None:
        return ""
    encoded = source.encode(errors="replace")
    indent = len(source) - len(source.lstrip())
    first, end = (len(encoded[:offset].decode(errors="replace")) - indent for offset in (column, end_column))
    is_part = 0 <= first < end and end - first < len(source.strip())
    return f"    {' ' * first}{'^' * (end - first)}\n" if is_part else ""


def _source_of(filename: str) -> list[str]:
    """Lines of a file. `linecache` would take an exception of a signal handler for an error of the file."""
    if not _has_details:
        return []
    linecache = sys.modules.get("linecache")
    known = getattr(linecache, "cache", {}).get(filename, ())
    if len(known) == 4:
        return list(known[2])
    try:
        with open(filename, "rb") as file:
            content = file.read(_LONGEST_SOURCE)
    except OSError as error:
        if error.filename != filename:
            raise  # From a signal handler that interrupted this.
        return []
    except ValueError:
        return []  # Text between < and > may contain anything.
    return content.decode(errors="replace").splitlines()


_known_frames: Final[dict[tuple[object, ...], Frame]] = {}
"""Frames by everything that they are made from; looking one up is faster than making it."""
_MOST_KNOWN: Final = 2000


def _frame_of(traceback: TracebackType) -> Frame:
    code = traceback.tb_frame.f_code
    offset, line = traceback.tb_lasti, traceback.tb_lineno
    key = (code.co_filename, code.co_name, code.co_firstlineno, code.co_linetable, offset, line)
    known = _known_frames.get(key)
    if known is not None:
        return known
    made = _frame_made_of(traceback, code)
    if len(_known_frames) < _MOST_KNOWN:
        _known_frames[key] = made
    return made


def _frame_made_of(traceback: TracebackType, code: CodeType) -> Frame:
    line, end_line, column, end_column = next(
        islice(code.co_positions(), traceback.tb_lasti // 2, None), (None, None, None, None)
    )
    if line is None or line != traceback.tb_lineno:
        # Made by hand, or without positions in its code, as under `python -X no_debug_ranges`.
        end_line = column = end_column = None
    return code.co_filename, traceback.tb_lineno, code.co_name, end_line, column, end_column


def _site_of(kept: list[TracebackType]) -> RawSite:
    """Site of the innermost frame of the program itself, else of the innermost frame."""
    if not kept:
        return UNKNOWN_SITE
    own = next((each for each in reversed(kept) if not is_internal(each.tb_frame.f_code.co_filename)), kept[-1])
    return describe_site(own.tb_frame.f_code, own.tb_lasti, module_of(own.tb_frame.f_globals))


def _message_of(exception: BaseException) -> str:
    try:
        return str.__str__(str(exception))[:MAX_TEXT]
    except Exception as error:
        if is_interruption(error):
            raise
        return "<exception str() failed>"


def _notes_of(exception: BaseException) -> list[str]:
    notes = namespace_of(exception).get("__notes__")
    if type(notes) is not list:
        return []
    return [as_text(note)[:MAX_TEXT] for note in notes[:_MAX_NOTES]]


def _origin_of(exception: BaseException) -> tuple[str, BaseException | None]:
    cause = _cause_of(exception)
    if cause is not None:
        return _BECAUSE, cause
    return _DURING, None if _is_context_suppressed(exception) else _context_of(exception)
