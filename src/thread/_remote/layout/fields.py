"""Fields that are read, under one name for all versions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Offsets in bytes from the beginning of a structure, for one version and build of the interpreter."""

    version: tuple[int, int]
    free_threaded: bool

    runtime_interpreters: int
    interpreter_next: int
    interpreter_threads: int
    thread_next: int
    thread_ident: int
    thread_native_id: int
    thread_frame: int
    """The current frame, or on 3.11 and 3.12 what points to it."""
    cframe_frame: int
    """The current frame in what `thread_frame` points to; -1 where that is the frame itself."""

    frame_previous: int
    frame_code: int
    frame_globals: int
    frame_instruction: int
    frame_owner: int
    frame_locals: int
    frame_stack_pointer: int
    """-1 on versions that do not keep it while the frame runs."""
    frame_code_copy: int
    """Index of the thread's own copy of the bytecode; -1 in builds without."""

    code_filename: int
    code_qualname: int
    code_linetable: int
    code_exceptiontable: int
    code_names: int
    code_firstlineno: int
    code_stacksize: int
    code_localsplusnames: int
    code_nlocalsplus: int
    code_instructions: int
    code_copies: int
    """The copies of the bytecode, one for each thread; -1 in builds without."""

    object_type: int
    type_name: int
    type_basicsize: int
    type_flags: int
    type_dictoffset: int
    type_cached_keys: int
    managed_dict: int
    managed_values: int
    """Pointer to the values, on 3.11 only; -1 elsewhere."""

    var_size: int
    tuple_items: int
    list_items: int
    bytes_data: int
    str_length: int
    str_state: int
    str_kind_shift: int
    str_ascii_data: int
    str_data: int
    int_size: int
    int_digits: int
    dict_used: int
    dict_keys: int
    dict_values: int
    keys_log2_index_bytes: int
    keys_kind: int
    keys_nentries: int
    keys_indices: int
    values_items: int
    function_definition: int
    function_self: int
    function_module: int
    method_function: int
    method_self: int
    descriptor_definition: int
    generator_frame: int
    weakref_object: int
    pyfunction_code: int

    lock_word: int
    """Semaphore of a lock (its address), or the byte of its mutex from 3.14 on."""
    lock_locked: int
    """The byte that says whether it is locked."""
    rlock_word: int
    rlock_owner: int
    rlock_count: int
    queue_items: int
    """Items of a `SimpleQueue`: a list on 3.11 and 3.12, a ring buffer later."""
