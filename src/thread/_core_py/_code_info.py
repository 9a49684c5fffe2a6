"""Cache of facts about each code object.

They are worked out once and dropped with the code object, which is not kept alive.
"""

from __future__ import annotations

from functools import partial
from types import CodeType
from weakref import ref

from .._base.code_origin import OWN_FOLDER, is_internal, is_of_an_sdk
from .._inspection.naming import IMPORT_SYSTEM, RawSite
from ._identities import Identity


class CodeInfo:
    """Facts about one code object."""

    __slots__ = (
        "blocks",
        "identities",
        "imports",
        "internal",
        "of_an_sdk",
        "ours",
        "reacquires",
        "reference",
        "sites",
    )

    def __init__(self, code: CodeType) -> None:
        # Called with the reference, which serves as the default: no Python code runs when the code object dies.
        self.reference = ref(code, partial(_known.pop, id(code)))
        self.internal = is_internal(code.co_filename)
        """Charged to the caller."""
        self.ours = code.co_filename.startswith(OWN_FOLDER)
        self.of_an_sdk = is_of_an_sdk(code.co_filename)
        """Made for telemetry, and not observed."""
        self.imports = code.co_filename.startswith(IMPORT_SYSTEM)
        """Part of the import system, whose locks are not observed."""
        self.reacquires = False
        """See `mark_reacquisition`."""
        self.blocks: str | None = None
        """See `mark_blocking`."""
        self.identities: dict[tuple[object, ...], Identity] = {}
        """By instruction, kind, and the path to the creation."""
        self.sites: dict[int, RawSite] = {}
        """By instruction."""


_known: dict[int, CodeInfo] = {}


def info_of(code: CodeType) -> CodeInfo:
    """The entry of a code object, made when it is first seen."""
    info = _known.get(id(code))
    if info is None:
        info = _known[id(code)] = CodeInfo(code)
    return info


def mark_reacquisition(code: CodeType, /) -> None:
    """Declare that a wait for a lock in this code gets back what Condition.wait gave up."""
    _info_of_object(code).reacquires = True


def mark_blocking(code: CodeType, kind: str, /) -> None:
    """Declare the kind of wait that this code makes. An empty kind: do not record it."""
    info = _info_of_object(code)
    if not isinstance(kind, str):
        raise TypeError(f"mark_blocking() argument 2 must be str, not {type(kind).__name__}")
    info.blocks = kind


def _info_of_object(code: object) -> CodeInfo:
    if not isinstance(code, CodeType):
        raise TypeError(f"expected a code object, got {type(code).__name__}")
    return info_of(code)
