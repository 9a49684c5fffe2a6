/* A cache of facts about each code object.
 *
 * It is kept in a weak reference to the code object, which a table finds by the address of the code. So an instruction
 * that was seen before costs one look there, and no code object is kept alive. When one dies, its reference is told and
 * leaves the table. (The extra slots of code objects would be the place for this, but the interpreter calls the
 * functions of all others that use them, for each such code object, with values they never stored.) */
#include "code_info.h"
#include "frames.h"
#include "hash.h"
#include "runtime.h"

static PyTypeObject CodeInfoType;

static PyObject *kinds; /* dict: kind of wait -> itself; nothing is removed, so borrowed references stay valid */
static PyObject *import_system;
static PyObject *internal_prefixes; /* a tuple that begins with the folder of this package */
static PyObject *standard_library;
static PyObject *package_folders;
static PyObject *telemetry_folders;
static PyObject *sdk_folders;

/* ---- internal files: `code_origin.is_internal`, without running Python code ---- */

static bool
contains_any(PyObject *text, PyObject *needles)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(needles); i++) {
        if (PyUnicode_Find(text, PyTuple_GET_ITEM(needles, i), 0, PY_SSIZE_T_MAX, 1) >= 0) {
            return true;
        }
    }
    return false;
}

bool
starts_with(PyObject *text, PyObject *prefix)
{
    return PyUnicode_Tailmatch(text, prefix, 0, PY_SSIZE_T_MAX, -1) == 1;
}

bool
is_our_file(PyObject *filename)
{
    return starts_with(filename, PyTuple_GET_ITEM(internal_prefixes, 0));
}

static bool
is_internal(PyObject *filename)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(internal_prefixes); i++) {
        if (starts_with(filename, PyTuple_GET_ITEM(internal_prefixes, i))) {
            return true;
        }
    }
    if (contains_any(filename, package_folders)) {
        return contains_any(filename, telemetry_folders);
    }
    return starts_with(filename, standard_library);
}

/* ---- the instructions of one code object ---- */

static inline uint32_t
hash_of_offset(int offset)
{
    return (uint32_t)offset * UINT32_C(0x9E3779B9) >> 7;
}

/* The slot of an instruction, or the free one that it belongs to. There is always a free one. */
static inline Instruction **
slot_of_instruction(Instruction **slots, uint32_t capacity, int offset)
{
    uint32_t slot = hash_of_offset(offset) & (capacity - 1);
    while (slots[slot] != NULL && slots[slot]->offset != offset) {
        slot = (slot + 1) & (capacity - 1);
    }
    return &slots[slot];
}

Instruction *
instruction_known(const CodeInfo *info, int offset)
{
    const Instructions *instructions = &info->instructions;
    if (instructions->capacity == 0) {
        return NULL;
    }
    return *slot_of_instruction(instructions->slots, instructions->capacity, offset);
}

/* At most half of the slots are ever taken. */
static int
instructions_grow(Instructions *instructions)
{
    uint32_t capacity = instructions->capacity == 0 ? 2 : 2 * instructions->capacity;
    Instruction **slots = PyMem_RawCalloc(capacity, sizeof(Instruction *));
    if (slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t i = 0; i < instructions->capacity; i++) {
        if (instructions->slots[i] != NULL) {
            *slot_of_instruction(slots, capacity, instructions->slots[i]->offset) = instructions->slots[i];
        }
    }
    PyMem_RawFree(instructions->slots);
    instructions->slots = slots;
    instructions->capacity = capacity;
    return 0;
}

Instruction *
instruction_at(CodeInfo *info, int offset)
{
    Instruction *instruction = instruction_known(info, offset);
    if (instruction != NULL) {
        return instruction;
    }
    Instructions *instructions = &info->instructions;
    if (2 * (instructions->count + 1) > instructions->capacity && instructions_grow(instructions) < 0) {
        return NULL;
    }
    instruction = PyMem_RawCalloc(1, sizeof(Instruction));
    if (instruction == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    instruction->offset = offset;
    *slot_of_instruction(instructions->slots, instructions->capacity, offset) = instruction;
    instructions->count++;
    return instruction;
}

static void
instructions_free(Instructions *instructions)
{
    for (uint32_t i = 0; i < instructions->capacity; i++) {
        Instruction *instruction = instructions->slots[i];
        while (instruction != NULL && instruction->paths != NULL) {
            CreationPath *path = instruction->paths;
            instruction->paths = path->next;
            PyMem_RawFree(path);
        }
        PyMem_RawFree(instruction);
    }
    PyMem_RawFree(instructions->slots);
}

/* ---- the table of code objects ---- */

#define FIRST_CODES 256

typedef struct {
    const PyCodeObject *code; /* NULL: a free slot */
    CodeInfo *info;           /* a strong reference */
} CodeSlot;

/* All code objects that are known, a hash table by open addressing. */
static CodeSlot *codes = NULL;
static size_t code_capacity = 0; /* a power of two */
static size_t code_count = 0;
static PyObject *forget_code;

static inline size_t
home_of_code(const PyCodeObject *code)
{
    return (size_t)(((uint64_t)(uintptr_t)code * GOLDEN_RATIO) >> 24) & (code_capacity - 1);
}

/* The slot of a code object, or the free one that it belongs to. There is always a free one. */
static inline CodeSlot *
slot_of_code(const PyCodeObject *code)
{
    size_t slot = home_of_code(code);
    while (codes[slot].code != NULL && codes[slot].code != code) {
        slot = (slot + 1) & (code_capacity - 1);
    }
    return &codes[slot];
}

static int
codes_resize(size_t capacity)
{
    CodeSlot *slots = PyMem_RawCalloc(capacity, sizeof(CodeSlot));
    if (slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    CodeSlot *former = codes;
    size_t former_capacity = code_capacity;
    codes = slots;
    code_capacity = capacity;
    for (size_t i = 0; i < former_capacity; i++) {
        if (former[i].code != NULL) {
            *slot_of_code(former[i].code) = former[i];
        }
    }
    PyMem_RawFree(former);
    return 0;
}

/* Entries that the cleared one had pushed on move up, so that no search ends too early. */
static void
slot_clear(CodeSlot *cleared)
{
    size_t hole = (size_t)(cleared - codes);
    for (size_t slot = (hole + 1) & (code_capacity - 1); codes[slot].code != NULL;
         slot = (slot + 1) & (code_capacity - 1)) {
        size_t home = home_of_code(codes[slot].code);
        if (((slot - home) & (code_capacity - 1)) >= ((slot - hole) & (code_capacity - 1))) {
            codes[hole] = codes[slot];
            hole = slot;
        }
    }
    codes[hole] = (CodeSlot){NULL, NULL};
    code_count--;
}

/* ---- one code object ---- */

/* Called with the reference to a code object that dies, which refers to nothing by now. */
static PyObject *
code_dies(PyObject *Py_UNUSED(self), PyObject *reference)
{
    CodeInfo *info = (CodeInfo *)reference;
    CodeSlot *slot = slot_of_code(info->code);
    if (slot->info == info) {
        slot_clear(slot);
        Py_DECREF(info);
    }
    Py_RETURN_NONE;
}

static PyMethodDef code_dies_def = {"forget_code", code_dies, METH_O, NULL};

static CodeInfo *
code_info_new(PyCodeObject *code)
{
    PAUSE_COLLECTOR;
    PyObject *args = PyTuple_Pack(2, code, forget_code);
    CodeInfo *info = args == NULL ? NULL : (CodeInfo *)_PyWeakref_RefType.tp_new(&CodeInfoType, args, NULL);
    Py_XDECREF(args);
    RESUME_COLLECTOR;
    if (info != NULL) {
        info->code = code;
        info->internal = is_internal(code->co_filename);
        info->of_an_sdk = contains_any(code->co_filename, sdk_folders);
        info->ours = is_our_file(code->co_filename);
        info->imports = starts_with(code->co_filename, import_system);
    }
    return info;
}

static void
code_info_dealloc(PyObject *self)
{
    instructions_free(&((CodeInfo *)self)->instructions);
    _PyWeakref_RefType.tp_dealloc(self);
}

static PyTypeObject CodeInfoType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "thread._core.CodeInfo",
    .tp_basicsize = sizeof(CodeInfo),
    .tp_base = &_PyWeakref_RefType,
    .tp_dealloc = code_info_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

NOINLINE static CodeInfo *
code_add(PyCodeObject *code)
{
    if (2 * (code_count + 1) > code_capacity && codes_resize(2 * code_capacity) < 0) {
        return NULL;
    }
    CodeInfo *info = code_info_new(code);
    if (info == NULL) {
        return NULL;
    }
    CodeSlot *slot = slot_of_code(code);
    if (slot->code != NULL) {
        /* Of a code object that had the address before, and whose end was not told because memory was short. */
        Py_SETREF(slot->info, info);
        return info;
    }
    *slot = (CodeSlot){code, info};
    code_count++;
    return info;
}

CodeInfo *
code_info_of(PyCodeObject *code)
{
    CodeInfo *info = slot_of_code(code)->info;
    if (LIKELY(info != NULL && info->reference.wr_object == (PyObject *)code)) {
        return info;
    }
    return code_add(code);
}

CodeInfo *
code_info_of_frame(PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    CodeInfo *info = code_info_of(code);
    Py_DECREF(code); /* the frame holds it */
    return info;
}

Instruction *
instruction_of_this_thread(void)
{
    int offset = 0;
    PyCodeObject *code = innermost_code(&offset);
    if (code == NULL) {
        return NULL;
    }
    const CodeInfo *info = code_info_of(code);
    Instruction *instruction = info == NULL || info->internal ? NULL : instruction_known(info, offset);
    Py_DECREF(code); /* still running, hence alive */
    if (info == NULL) {
        PyErr_Clear();
    }
    return instruction;
}

/* ---- declarations ---- */

bool
is_reacquisition(void)
{
    int offset;
    PyCodeObject *code = innermost_code(&offset);
    if (code == NULL) {
        return false;
    }
    const CodeInfo *info = code_info_of(code);
    Py_DECREF(code); /* still running, hence alive */
    if (info == NULL) {
        PyErr_Clear();
    }
    return info != NULL && info->reacquires;
}

static CodeInfo *
code_info_of_object(PyObject *code)
{
    if (!PyCode_Check(code)) {
        PyErr_Format(PyExc_TypeError, "expected a code object, got %.100s", Py_TYPE(code)->tp_name);
        return NULL;
    }
    return code_info_of((PyCodeObject *)code);
}

/* Declare that code which waits for a lock does so to get back the lock that it gave up in Condition.wait. */
static PyObject *
mark_reacquisition(PyObject *Py_UNUSED(module), PyObject *code)
{
    CodeInfo *info = code_info_of_object(code);
    if (info == NULL) {
        return NULL;
    }
    info->reacquires = true;
    Py_RETURN_NONE;
}

/* Declare the kind of wait of code that blocks; empty: the wait is not to be recorded. */
static PyObject *
mark_blocking(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *code, *kind;
    if (!PyArg_ParseTuple(args, "OU:mark_blocking", &code, &kind)) {
        return NULL;
    }
    CodeInfo *info = code_info_of_object(code);
    if (info == NULL) {
        return NULL;
    }
    info->blocks = PyDict_SetDefault(kinds, kind, kind);
    return info->blocks == NULL ? NULL : Py_NewRef(Py_None);
}

/* ---- life of the module ---- */

static int
code_origin_init(void)
{
    static const char *const origin = "thread._base.code_origin";
    internal_prefixes = attribute_of_module(origin, "INTERNAL_PREFIXES");
    standard_library = attribute_of_module(origin, "STANDARD_LIBRARY");
    package_folders = attribute_of_module(origin, "PACKAGE_FOLDERS");
    telemetry_folders = attribute_of_module(origin, "TELEMETRY_FOLDERS");
    sdk_folders = attribute_of_module(origin, "SDK_FOLDERS");
    import_system = attribute_of_module("thread._inspection.naming", "IMPORT_SYSTEM");
    return PyErr_Occurred() ? -1 : 0;
}

int
code_info_init(void)
{
    kinds = PyDict_New();
    forget_code = PyCFunction_New(&code_dies_def, NULL);
    if (kinds == NULL || forget_code == NULL || PyType_Ready(&CodeInfoType) < 0 || codes_resize(FIRST_CODES) < 0) {
        return -1;
    }
    return code_origin_init();
}

PyMethodDef code_info_functions[] = {
    {"mark_reacquisition", mark_reacquisition, METH_O, NULL},
    {"mark_blocking", mark_blocking, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
