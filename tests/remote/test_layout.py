"""Offsets of the interpreter's structures: those of our tables are those that a C compiler finds in its headers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from thread._remote.layout.tables import NEWEST, fields_of, layout_of

VERSION = (sys.version_info[0], sys.version_info[1])
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
INCLUDE = Path(sysconfig.get_path("include"))

OBJECTS = {
    "frame_globals": "offsetof(_PyInterpreterFrame, f_globals)",
    "code_filename": "offsetof(PyCodeObject, co_filename)",
    "code_qualname": "offsetof(PyCodeObject, co_qualname)",
    "code_linetable": "offsetof(PyCodeObject, co_linetable)",
    "code_exceptiontable": "offsetof(PyCodeObject, co_exceptiontable)",
    "code_names": "offsetof(PyCodeObject, co_names)",
    "code_firstlineno": "offsetof(PyCodeObject, co_firstlineno)",
    "code_stacksize": "offsetof(PyCodeObject, co_stacksize)",
    "code_localsplusnames": "offsetof(PyCodeObject, co_localsplusnames)",
    "code_nlocalsplus": "offsetof(PyCodeObject, co_nlocalsplus)",
    "code_instructions": "offsetof(PyCodeObject, co_code_adaptive)",
    "object_type": "offsetof(PyObject, ob_type)",
    "type_name": "offsetof(PyTypeObject, tp_name)",
    "type_basicsize": "offsetof(PyTypeObject, tp_basicsize)",
    "type_flags": "offsetof(PyTypeObject, tp_flags)",
    "type_dictoffset": "offsetof(PyTypeObject, tp_dictoffset)",
    "type_cached_keys": "offsetof(PyHeapTypeObject, ht_cached_keys)",
    "var_size": "offsetof(PyVarObject, ob_size)",
    "tuple_items": "offsetof(PyTupleObject, ob_item)",
    "list_items": "offsetof(PyListObject, ob_item)",
    "bytes_data": "offsetof(PyBytesObject, ob_sval)",
    "str_length": "offsetof(PyASCIIObject, length)",
    "str_state": "offsetof(PyASCIIObject, state)",
    "str_ascii_data": "sizeof(PyASCIIObject)",
    "str_data": "sizeof(PyCompactUnicodeObject)",
    "int_size": "LONG_SIZE",
    "int_digits": "LONG_DIGITS",
    "dict_used": "offsetof(PyDictObject, ma_used)",
    "dict_keys": "offsetof(PyDictObject, ma_keys)",
    "dict_values": "offsetof(PyDictObject, ma_values)",
    "keys_log2_index_bytes": "offsetof(PyDictKeysObject, dk_log2_index_bytes)",
    "keys_kind": "offsetof(PyDictKeysObject, dk_kind)",
    "keys_nentries": "offsetof(PyDictKeysObject, dk_nentries)",
    "keys_indices": "offsetof(PyDictKeysObject, dk_indices)",
    "values_items": "offsetof(struct _dictvalues, values)",
    "function_definition": "offsetof(PyCFunctionObject, m_ml)",
    "function_self": "offsetof(PyCFunctionObject, m_self)",
    "function_module": "offsetof(PyCFunctionObject, m_module)",
    "method_function": "offsetof(PyMethodObject, im_func)",
    "method_self": "offsetof(PyMethodObject, im_self)",
    "descriptor_definition": "offsetof(PyMethodDescrObject, d_method)",
    "generator_frame": "offsetof(PyGenObject, gi_iframe)",
    "weakref_object": "offsetof(PyWeakReference, wr_object)",
    "pyfunction_code": "offsetof(PyFunctionObject, func_code)",
    "managed_dict": "MANAGED_DICT",
    "managed_values": "MANAGED_VALUES",
}
INTERNAL = {
    "runtime_interpreters": "offsetof(_PyRuntimeState, interpreters.head)",
    "interpreter_next": "offsetof(PyInterpreterState, next)",
    "interpreter_threads": "offsetof(PyInterpreterState, threads.head)",
    "thread_next": "offsetof(PyThreadState, next)",
    "thread_ident": "offsetof(PyThreadState, thread_id)",
    "thread_native_id": "offsetof(PyThreadState, native_thread_id)",
    "thread_frame": "offsetof(PyThreadState, cframe)",
    "cframe_frame": "offsetof(_PyCFrame, current_frame)",
    "frame_previous": "offsetof(_PyInterpreterFrame, previous)",
    "frame_code": "offsetof(_PyInterpreterFrame, f_code)",
    "frame_instruction": "offsetof(_PyInterpreterFrame, prev_instr)",
    "frame_owner": "offsetof(_PyInterpreterFrame, owner)",
    "frame_locals": "offsetof(_PyInterpreterFrame, localsplus)",
}
"""On 3.11 and 3.12 only: later versions publish these."""

PROGRAM = """
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#include <stdio.h>
#if PY_VERSION_HEX < 0x030E0000
#include <internal/pycore_frame.h>
#else
#include <internal/pycore_genobject.h>
#include <internal/pycore_interpframe_structs.h>
#endif
#include <internal/pycore_dict.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_object.h>
#include <internal/pycore_runtime.h>
#if PY_VERSION_HEX < 0x030C0000
#define LONG_SIZE offsetof(PyLongObject, ob_base.ob_size)
#define LONG_DIGITS offsetof(PyLongObject, ob_digit)
#define MANAGED_VALUES (-4 * (int)sizeof(PyObject *))
#else
#define LONG_SIZE offsetof(PyLongObject, long_value.lv_tag)
#define LONG_DIGITS offsetof(PyLongObject, long_value.ob_digit)
#define MANAGED_VALUES -1
#endif
#ifdef MANAGED_DICT_OFFSET
#define MANAGED_DICT MANAGED_DICT_OFFSET
#else
#define MANAGED_DICT (-3 * (int)sizeof(PyObject *))
#endif
int main(void) {
%s
    return 0;
}
"""


def offsets_of_the_headers(folder: Path, expressions: dict[str, str]) -> dict[str, int]:
    source, program = folder / "offsets.c", folder / "offsets"
    lines = (f'    printf("{name} %ld\\n", (long)({expression}));' for name, expression in expressions.items())
    source.write_text(PROGRAM % "\n".join(lines))
    paths = [f"-I{INCLUDE}", f"-I{INCLUDE / 'internal'}", f"-I{sysconfig.get_path('platinclude')}"]
    flags = ["-DPy_GIL_DISABLED=1"] if FREE_THREADED else []
    compiler = os.environ.get("CC", "cc").split()
    subprocess.run([*compiler, "-w", *flags, *paths, str(source), "-o", str(program)], check=True)
    said = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: int(offset) for name, offset in (line.split() for line in said.splitlines())}


@pytest.mark.skipif(VERSION > NEWEST, reason="a version that is not known yet")
@pytest.mark.skipif(not (INCLUDE / "internal").is_dir(), reason="the interpreter's own headers are not installed")
@pytest.mark.skipif(not shutil.which(os.environ.get("CC", "cc").split()[0]), reason="there is no C compiler")
def test_the_tables_say_what_the_headers_say(tmp_path: Path) -> None:
    expressions = OBJECTS | (INTERNAL if VERSION < (3, 13) else {})
    ours = fields_of(VERSION, free_threaded=FREE_THREADED)
    assert {name: ours[name] for name in expressions} == offsets_of_the_headers(tmp_path, expressions)


@pytest.mark.parametrize("version", [(3, 11), (3, 12)])
def test_a_version_that_publishes_nothing_is_in_the_tables_as_a_whole(version: tuple[int, int]) -> None:
    assert layout_of(version).version == version


def test_each_version_has_its_bytecode() -> None:
    from thread._remote.bytecode.instructions import bytecode_of

    for minor in range(11, NEWEST[1] + 1):
        names = {instruction.name for instruction in bytecode_of((3, minor)).by_opcode.values()}
        assert {"CALL", "PUSH_EXC_INFO", "WITH_EXCEPT_START", "EXTENDED_ARG"} <= names
