"""Offsets that the interpreter publishes at the beginning of its runtime state, from 3.13 on."""

from __future__ import annotations

import struct
from typing import Final

from ..kernel.memory import PagedMemory
from .fields import Layout
from .tables import NEWEST, fields_of

COOKIE: Final = b"xdebugpy"

_RUNTIME: Final = "size finalizing interpreters_head"
_INTERPRETER: Final = (
    "gc imports_modules sysdict builtins ceval_gil gil_runtime_state gil_runtime_state_enabled "
    "gil_runtime_state_locked gil_runtime_state_holder"
)
_GENERATIONS: Final = "code_object_generation tlbc_generation"
_THREAD: Final = "size prev next interp current_frame thread_id native_thread_id datastack_chunk status"
_FRAME: Final = "size previous executable instr_ptr localsplus owner stackpointer tlbc_index"
_CODE: Final = (
    "size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds co_code_adaptive"
)
_OBJECT: Final = "size ob_type"
_TYPE: Final = "size tp_name tp_repr tp_flags"

_STRUCTURES: Final[dict[tuple[int, int], tuple[tuple[str, str], ...]]] = {
    (3, 13): (
        ("runtime", _RUNTIME),
        ("interpreter", f"size id next threads_head {_INTERPRETER}"),
        ("thread", _THREAD),
        ("frame", "size previous executable instr_ptr localsplus owner"),
        ("code", _CODE),
        ("object", _OBJECT),
        ("type", _TYPE),
    ),
    (3, 14): (
        ("runtime", _RUNTIME),
        ("interpreter", f"size id next threads_head threads_main {_INTERPRETER} {_GENERATIONS}"),
        ("thread", _THREAD),
        ("frame", _FRAME),
        ("code", f"{_CODE} co_tlbc"),
        ("object", _OBJECT),
        ("type", _TYPE),
    ),
    (3, 15): (
        ("runtime", _RUNTIME),
        ("interpreter", f"size id next threads_head threads_main {_INTERPRETER} {_GENERATIONS}"),
        (
            "thread",
            "size prev next interp current_frame base_frame last_profiled_frame last_profiled_frame_seq thread_id "
            "native_thread_id datastack_chunk status holds_gil gil_requested current_exception exc_state",
        ),
        ("exception_item", "exc_value"),
        ("frame", _FRAME),
        ("code", f"{_CODE} co_tlbc"),
        ("object", _OBJECT),
        ("type", _TYPE),
    ),
}
"""The beginning of `_Py_DebugOffsets` by version, as far as it is used."""

_USED: Final = {
    "runtime.interpreters_head": "runtime_interpreters",
    "interpreter.next": "interpreter_next",
    "interpreter.threads_head": "interpreter_threads",
    "thread.next": "thread_next",
    "thread.thread_id": "thread_ident",
    "thread.native_thread_id": "thread_native_id",
    "thread.current_frame": "thread_frame",
    "frame.previous": "frame_previous",
    "frame.executable": "frame_code",
    "frame.instr_ptr": "frame_instruction",
    "frame.owner": "frame_owner",
    "frame.localsplus": "frame_locals",
    "frame.stackpointer": "frame_stack_pointer",
    "frame.tlbc_index": "frame_code_copy",
    "code.filename": "code_filename",
    "code.qualname": "code_qualname",
    "code.linetable": "code_linetable",
    "code.firstlineno": "code_firstlineno",
    "code.localsplusnames": "code_localsplusnames",
    "code.co_code_adaptive": "code_instructions",
    "code.co_tlbc": "code_copies",
    "object.ob_type": "object_type",
    "type.tp_name": "type_name",
    "type.tp_flags": "type_flags",
}
_ONLY_FREE_THREADED: Final = {"frame_code_copy", "code_copies"}
_LARGEST: Final = 1 << 24
"""No offset is larger, so a larger one is no offset."""


def published_layout(memory: PagedMemory, runtime: int) -> Layout:
    """Return the layout that a runtime state publishes.

    Raises LookupError if it publishes none, or for a version that is not known.
    """
    if memory.read(runtime, 8) != COOKIE:
        raise LookupError("no offsets are published")
    number, free_threaded = struct.unpack("<QQ", memory.read(runtime + 8, 16))
    version = (number >> 24 & 0xFF, number >> 16 & 0xFF)
    if version not in _STRUCTURES:
        found, newest = f"{version[0]}.{version[1]}", f"{NEWEST[0]}.{NEWEST[1]}"
        raise LookupError(f"Python {found} is not known, {newest} is the newest that is")
    fields = fields_of(version, free_threaded=bool(free_threaded))
    address = runtime + 24
    for structure, members in _STRUCTURES[version]:
        for member in members.split():
            ours = _USED.get(f"{structure}.{member}")
            if ours is not None and (free_threaded or ours not in _ONLY_FREE_THREADED):
                fields[ours] = memory.word(address)
                if fields[ours] > _LARGEST:
                    raise LookupError(f"the published offset of {structure}.{member} makes no sense")
            address += 8
    return Layout(version=version, free_threaded=bool(free_threaded), **fields)
