"""Offsets that the interpreter does not publish, for builds with the GIL, by version."""

from __future__ import annotations

from typing import Final

from .fields import Layout

NEWEST: Final = (3, 15)

_OBJECTS: Final = {
    "code_filename": 112,
    "code_qualname": 128,
    "code_linetable": 136,
    "code_exceptiontable": 40,
    "code_names": 32,
    "code_firstlineno": 68,
    "code_stacksize": 64,
    "code_localsplusnames": 96,
    "code_nlocalsplus": 72,
    "object_type": 8,
    "type_name": 24,
    "type_basicsize": 32,
    "type_flags": 168,
    "type_dictoffset": 288,
    "type_cached_keys": 880,
    "var_size": 16,
    "tuple_items": 24,
    "list_items": 24,
    "bytes_data": 32,
    "str_length": 16,
    "str_state": 32,
    "str_ascii_data": 40,
    "str_data": 56,
    "int_size": 16,
    "int_digits": 24,
    "dict_used": 16,
    "dict_keys": 32,
    "dict_values": 40,
    "function_definition": 16,
    "function_self": 24,
    "function_module": 32,
    "method_function": 16,
    "method_self": 24,
    "descriptor_definition": 40,
    "weakref_object": 16,
    "pyfunction_code": 48,
}
"""Fields of objects, counted from the beginning of the object; 3.12's unless a version below says otherwise."""

_OBJECTS_311: Final = {
    "code_firstlineno": 72,
    "code_stacksize": 68,
    "code_nlocalsplus": 76,
    "code_instructions": 184,
    "type_cached_keys": 872,
    "str_ascii_data": 48,
    "str_data": 72,
    "generator_frame": 80,
}
_SEMAPHORE_LOCKS: Final = {
    "lock_word": 16,
    "lock_locked": 32,
    "rlock_word": 16,
    "rlock_owner": 24,
    "rlock_count": 32,
}
"""Locks up to 3.13 are semaphores of the C library."""
_PARKED_LOCKS: Final = {"lock_word": 16, "lock_locked": 16, "rlock_word": 16, "rlock_owner": 24, "rlock_count": 32}
"""Locks from 3.14 on are one byte, and who waits for them is parked elsewhere."""

_BY_VERSION: Final[dict[tuple[int, int], dict[str, int]]] = {
    (3, 11): {**_OBJECTS_311, **_SEMAPHORE_LOCKS, "queue_items": 32},
    (3, 12): {"code_instructions": 192, "generator_frame": 72, **_SEMAPHORE_LOCKS, "queue_items": 32},
    (3, 13): {"code_instructions": 200, "generator_frame": 72, **_SEMAPHORE_LOCKS, "queue_items": 24},
    (3, 14): {"code_instructions": 208, "generator_frame": 72, "tuple_items": 32, **_PARKED_LOCKS, "queue_items": 24},
    (3, 15): {
        "code_instructions": 208,
        "generator_frame": 72,
        "tuple_items": 32,
        "type_cached_keys": 888,
        **_PARKED_LOCKS,
        "queue_items": 24,
    },
}

_OTHERS: Final = {
    "frame_globals": 24,
    "keys_log2_index_bytes": 9,
    "keys_kind": 10,
    "keys_nentries": 24,
    "keys_indices": 32,
    "values_items": 8,
    "managed_dict": -24,
    "managed_values": -1,
    "str_kind_shift": 2,
    "frame_stack_pointer": -1,
    "frame_code_copy": -1,
    "code_copies": -1,
    "cframe_frame": -1,
}

_INTERNAL: Final[dict[tuple[int, int], dict[str, int]]] = {
    (3, 11): {
        "runtime_interpreters": 40,
        "interpreter_next": 0,
        "interpreter_threads": 16,
        "thread_next": 8,
        "thread_ident": 152,
        "thread_native_id": 160,
        "thread_frame": 56,
        "cframe_frame": 8,
        "frame_previous": 48,
        "frame_code": 32,
        "frame_globals": 8,
        "frame_instruction": 56,
        "frame_owner": 69,
        "frame_locals": 72,
        "values_items": 0,
        "managed_values": -32,
    },
    (3, 12): {
        "runtime_interpreters": 40,
        "interpreter_next": 0,
        "interpreter_threads": 72,
        "thread_next": 8,
        "thread_ident": 136,
        "thread_native_id": 144,
        "thread_frame": 56,
        "cframe_frame": 0,
        "frame_previous": 8,
        "frame_code": 0,
        "frame_instruction": 56,
        "frame_owner": 70,
        "frame_locals": 72,
        "values_items": 0,
    },
}
"""Structures that are internal to the interpreter, and published from 3.13 on."""

_FREE_THREADED_HEADER: Final = 16
"""Bytes by which the header of each object is longer in a free-threaded build."""


def fields_of(version: tuple[int, int], *, free_threaded: bool) -> dict[str, int]:
    """Return the offsets that a version does not publish. Raises LookupError for a version that is not known."""
    objects = {**_OBJECTS, **_BY_VERSION[version]}
    if free_threaded:
        objects = {name: offset + _FREE_THREADED_HEADER for name, offset in objects.items()}
    fields = {**objects, **_OTHERS, **_INTERNAL.get(version, {})}
    if free_threaded:
        fields["managed_dict"] = -8
        fields["str_kind_shift"] = 8 if version >= (3, 14) else 2
    return fields


def layout_of(version: tuple[int, int]) -> Layout:
    """Return the layout of a version that publishes nothing. Raises LookupError for a version that is not known."""
    return Layout(version=version, free_threaded=False, **fields_of(version, free_threaded=False))
