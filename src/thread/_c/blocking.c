/* How long the program waited for conditions, queues and the like: a row for each kind, name and site.
 *
 * The row is looked up before the wait. Work after the wait delays the thread that was waited for, so that is no more
 * than to read the clock and to add to the counts. */
#include "blocking.h"
#include "code_info.h"
#include "frames.h"
#include "hash.h"
#include "histogram.h"
#include "runtime.h"
#include "sites.h"

#include <string.h>

#define MAX_ROWS 2000

typedef struct {
    PyObject_HEAD
    PyObject *key;        /* a tuple of kind, name and site; NULL: its waits are not recorded */
    Histogram *histogram; /* NULL until a wait has ended */
    uint64_t generation;  /* a row from before everything was zeroed is of an earlier one */
} BlockingRow;

static PyTypeObject BlockingRowType;

static PyObject *rows; /* dict: key -> row */
static uint64_t current_generation = 0;
static PyObject *unrecorded;

#define RECENT 256 /* a power of two */

/* Rows looked up recently, by the addresses of the parts of their keys, so that a hit makes no key. */
static BlockingRow *recent[RECENT]; /* borrowed from `rows` */

/* ---- rows ---- */

static BlockingRow *
row_new(PyObject *key)
{
    BlockingRow *row = PyObject_New(BlockingRow, &BlockingRowType);
    if (row != NULL) {
        row->key = Py_XNewRef(key);
        row->histogram = NULL;
        row->generation = current_generation;
    }
    return row;
}

static void
row_dealloc(PyObject *self)
{
    BlockingRow *row = (BlockingRow *)self;
    Py_XDECREF(row->key);
    histogram_reset(&row->histogram);
    PyObject_Free(self);
}

/* Each of the following returns a borrowed reference, NULL with an exception set. */

static BlockingRow *
row_added(PyObject *key)
{
    BlockingRow *row = row_new(key);
    PyObject *kept = row == NULL ? NULL : PyDict_SetDefault(rows, key, (PyObject *)row);
    Py_XDECREF(row);
    return (BlockingRow *)kept;
}

static BlockingRow *
row_of_others(PyObject *kind)
{
    PyObject *key = Py_BuildValue("OsO", kind, "other", other_site);
    PyObject *row = key == NULL ? NULL : PyDict_GetItemWithError(rows, key);
    if (row == NULL && key != NULL && !PyErr_Occurred()) {
        row = (PyObject *)row_added(key);
    }
    Py_XDECREF(key);
    return (BlockingRow *)row;
}

static BlockingRow *
row_of_key(PyObject *key)
{
    PyObject *row = PyDict_GetItemWithError(rows, key);
    if (row != NULL || PyErr_Occurred()) {
        return (BlockingRow *)row;
    }
    return PyDict_GET_SIZE(rows) < MAX_ROWS ? row_added(key) : row_of_others(PyTuple_GET_ITEM(key, 0));
}

static BlockingRow **
recent_of(const PyObject *kind, const PyObject *name, const PyObject *site)
{
    uint64_t hash = mix_pointer(mix_pointer((uint64_t)(uintptr_t)kind, name), site);
    return &recent[(hash >> 32) & (RECENT - 1)];
}

static bool
is_row_of(const BlockingRow *row, const PyObject *kind, const PyObject *name, const PyObject *site)
{
    return row != NULL && PyTuple_GET_ITEM(row->key, 0) == kind && PyTuple_GET_ITEM(row->key, 1) == name &&
           PyTuple_GET_ITEM(row->key, 2) == site;
}

static BlockingRow *
row_of(PyObject *kind, PyObject *name, PyObject *site)
{
    BlockingRow **slot = recent_of(kind, name, site);
    if (!is_row_of(*slot, kind, name, site)) {
        PyObject *key = PyTuple_Pack(3, kind, name, site);
        BlockingRow *row = key == NULL ? NULL : row_of_key(key);
        Py_XDECREF(key);
        if (row == NULL) {
            return NULL;
        }
        *slot = row;
    }
    return *slot;
}

/* ---- where the program waits, and for what, without frame objects ---- */

/* If a library made the object, such as a connection pool, its caller is the one who waits: the frames of the library
 * are skipped, or in its own threads all but the outermost. */
static bool
is_of_library(PyCodeObject *code, PyObject *library)
{
    Py_ssize_t folders = library != NULL ? PyTuple_GET_SIZE(library) : 0;
    for (Py_ssize_t i = 0; i < folders; i++) {
        if (starts_with(code->co_filename, PyTuple_GET_ITEM(library, i))) {
            return true;
        }
    }
    return false;
}

/* Where the program waits, without a frame object, and for what; NULL unless the site is info already. */
static PyObject *
site_blocked(PyObject **kind, PyObject *library)
{
    Walk walk = {false, NULL};
    PyObject *waits_for = *kind;
    PyCodeObject *code;
    bool in_library = false;
    int offset = 0;
    for (int steps = 0; steps < MAX_STEPS && (code = next_code(&walk, &offset)) != NULL; steps++) {
        const CodeInfo *info = code_info_of(code);
        if (info == NULL || info->of_an_sdk) {
            PyErr_Clear();
            return NULL;
        }
        if (is_of_library(code, library)) {
            in_library = true;
        }
        else if (!info->internal) {
            const Instruction *instruction = instruction_known(info, offset);
            *kind = waits_for;
            return instruction == NULL ? NULL : instruction->site;
        }
        else if (!in_library) {
            waits_for = info->blocks != NULL ? info->blocks : waits_for;
        }
    }
    return NULL;
}

/* ---- the same by frame objects ---- */

static bool
frame_is_of_library(PyFrameObject *frame, PyObject *library)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    bool found = is_of_library(code, library);
    Py_DECREF(code); /* the frame holds it */
    return found;
}

/* The nearest frame of the program itself, else the outermost of the library, NULL if there is none. Takes and returns
 * a strong reference. `kind` becomes that of the outermost function on the way there which was declared to wait. */
static PyFrameObject *
frame_blocked(PyFrameObject *frame, PyObject *library, PyObject **kind, bool *through_an_sdk)
{
    PyFrameObject *of_library = NULL;
    *through_an_sdk = false;
    for (int steps = 0; frame != NULL && steps < MAX_STEPS; steps++) {
        const CodeInfo *info = code_info_of_frame(frame);
        if (info == NULL) {
            PyErr_Clear();
        }
        else if (frame_is_of_library(frame, library)) {
            Py_XSETREF(of_library, (PyFrameObject *)Py_NewRef(frame));
        }
        else if (!info->internal) {
            Py_XDECREF(of_library);
            return frame;
        }
        else if (of_library == NULL) {
            *kind = info->blocks != NULL ? info->blocks : *kind;
            *through_an_sdk |= info->of_an_sdk;
        }
        Py_SETREF(frame, frame_back(frame));
    }
    Py_XDECREF(frame);
    return of_library;
}

/* In a thread that runs no code of the program, such as a timer's: the caller of the outermost function that was
 * declared to wait, else of the telemetry. Takes and returns a strong reference. */
static PyFrameObject *
frame_of_timer_thread(PyFrameObject *frame)
{
    PyFrameObject *caller = NULL;
    for (int steps = 0; frame != NULL && steps < MAX_STEPS; steps++) {
        const CodeInfo *info = code_info_of_frame(frame);
        PyFrameObject *outer = frame_back(frame);
        if (info == NULL) {
            PyErr_Clear();
        }
        else if (caller == NULL && !info->ours) {
            caller = (PyFrameObject *)Py_NewRef(frame);
        }
        if (info != NULL && info->blocks != NULL && outer != NULL) {
            Py_XSETREF(caller, (PyFrameObject *)Py_NewRef(outer));
        }
        Py_SETREF(frame, outer);
    }
    Py_XDECREF(frame);
    return caller;
}

/* `blocking_of_this_thread`, by frame objects. */
static bool
blocking_by_frames(PyFrameObject *innermost, PyObject *library, PyObject **kind, PyObject **site)
{
    bool through_an_sdk;
    PyFrameObject *frame = frame_blocked((PyFrameObject *)Py_NewRef(innermost), library, kind, &through_an_sdk);
    bool recorded = !through_an_sdk && PyUnicode_GET_LENGTH(*kind) > 0;
    if (recorded && frame == NULL) {
        frame = frame_of_timer_thread((PyFrameObject *)Py_NewRef(innermost));
    }
    *site = recorded && frame != NULL ? site_of_frame(frame) : unknown_site;
    Py_XDECREF(frame);
    if (*site == NULL) {
        count_internal_error();
        *site = unknown_site;
    }
    return recorded;
}

/* Where the program waits, and, instead of the `kind` given, for what; borrowed references. False: not to be recorded.
 * `library`: the folders of the library that made the object which blocks, a tuple of str, or NULL. */
static bool
blocking_of_this_thread(PyObject *library, PyObject **kind, PyObject **site)
{
    *site = site_blocked(kind, library);
    if (*site != NULL) {
        return PyUnicode_GET_LENGTH(*kind) > 0;
    }
    PyFrameObject *innermost = PyThreadState_GetFrame(PyThreadState_Get());
    if (innermost == NULL) {
        *site = unknown_site;
        return true;
    }
    bool recorded = blocking_by_frames(innermost, library, kind, site);
    Py_DECREF(innermost);
    return recorded;
}

/* ---- functions for Python code ---- */

/* A strong reference; NULL with an exception set. */
static PyObject *
row_of_this_wait(PyObject *kind, PyObject *given, PyObject *library)
{
    PyObject *site;
    if (is_untracked() || !blocking_of_this_thread(library, &kind, &site)) {
        return Py_NewRef(unrecorded);
    }
    PyObject *name = given == Py_None ? PyUnicode_FromString("") : PyUnicode_FromObject(given);
    PyObject *row = name == NULL ? NULL : Py_XNewRef((PyObject *)row_of(kind, name, site));
    Py_XDECREF(name);
    return row;
}

/* The row of a wait that is about to begin. Arguments: its kind, unless a function on the way to it was declared to
 * wait for something else; the name of the object that blocks, or None; the folders of the library that made it, or
 * None. */
static PyObject *
blocking_row(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *library = nargs == 3 && args[2] != Py_None ? args[2] : NULL;
    if (nargs < 2 || nargs > 3 || !PyUnicode_Check(args[0]) || (library != NULL && !PyTuple_Check(library))) {
        PyErr_SetString(PyExc_TypeError, "blocking_row() takes a kind, which is a str, a name, and folders");
        return NULL;
    }
    PyObject *row = row_of_this_wait(args[0], args[1], library);
    if (row == NULL) {
        count_internal_error();
        return Py_NewRef(unrecorded);
    }
    return row;
}

static void
row_add(BlockingRow *row, int64_t duration_ns)
{
    if (UNLIKELY(row->generation != current_generation)) {
        row = row_of_key(row->key); /* everything was zeroed during the wait */
    }
    if (row == NULL) {
        count_internal_error();
        return;
    }
    histogram_add(&row->histogram, duration_ns);
}

static PyObject *
row_add_since(PyObject *self, PyObject *began)
{
    int64_t ended_ns = monotonic_ns();
    long long began_ns = PyLong_AsLongLong(began);
    if (began_ns == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int64_t duration_ns = ended_ns - began_ns;
    if (((BlockingRow *)self)->key == NULL) {
        Py_RETURN_NONE;
    }
    row_add((BlockingRow *)self, duration_ns);
    if (!settings.listening || duration_ns < settings.slow_wait_ns) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLongLong(duration_ns);
}

static PyObject *
read_blocking(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *found = PyList_New(0);
    PyObject *all = found == NULL ? NULL : PyDict_Values(rows);
    for (Py_ssize_t i = 0; all != NULL && found != NULL && i < PyList_GET_SIZE(all); i++) {
        const BlockingRow *row = (BlockingRow *)PyList_GET_ITEM(all, i);
        if (row->histogram != NULL) {
            /* BlockingWaitRow */
            PyObject *counts = histogram_read(row->histogram);
            found = rows_with(found, Py_BuildValue("OOON", PyTuple_GET_ITEM(row->key, 0), PyTuple_GET_ITEM(row->key, 1),
                                                   PyTuple_GET_ITEM(row->key, 2), counts));
        }
    }
    if (all == NULL) {
        Py_CLEAR(found);
    }
    Py_XDECREF(all);
    return found;
}

/* ---- the type ---- */

static PyObject *
row_key(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *key = ((BlockingRow *)self)->key;
    return Py_NewRef(key != NULL ? key : Py_None);
}

static PyGetSetDef row_attributes[] = {
    {"key", row_key, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef row_methods[] = {
    {"add_since", row_add_since, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject BlockingRowType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "thread._core.BlockingRow",
    .tp_basicsize = sizeof(BlockingRow),
    .tp_dealloc = row_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_methods = row_methods,
    .tp_getset = row_attributes,
};

/* ---- life of the module ---- */

void
blocking_reset(void)
{
    current_generation++;
    memset(recent, 0, sizeof(recent));
    PyDict_Clear(rows);
}

int
blocking_init(void)
{
    if (PyType_Ready(&BlockingRowType) < 0) {
        return -1;
    }
    rows = PyDict_New();
    unrecorded = (PyObject *)row_new(NULL);
    return rows == NULL || unrecorded == NULL ? -1 : 0;
}

PyMethodDef blocking_functions[] = {
    {"blocking_row", FAST(blocking_row), NULL},
    {"read_blocking", read_blocking, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
