/* How long the program waited for conditions, queues and the like: a row for each kind, name and site.
 *
 * Whoever waits has the row looked up before it does. What comes after the wait delays the thread that was waited for,
 * so that is no more than to read the clock and to add to the counts. */
#include "core.h"

#include <string.h>

#define MAX_ROWS 2000

typedef struct {
    PyObject_HEAD
    PyObject *key;        /* a tuple of kind, name and site; NULL: what it is given is not recorded */
    Histogram *histogram; /* NULL until a wait has ended */
    uint64_t era;
} BlockingRow;

static PyObject *rows; /* dict: key -> row */
static uint64_t current_era = 0;
static PyObject *unrecorded;

#define RECENT 256 /* a power of two */

/* Rows that were looked up of late, by the addresses of what is in their keys, which saves making a key. */
static BlockingRow *recent[RECENT]; /* borrowed from `rows` */

static BlockingRow *
row_new(PyObject *key)
{
    BlockingRow *row = PyObject_New(BlockingRow, &BlockingRowType);
    if (row != NULL) {
        row->key = Py_XNewRef(key);
        row->histogram = NULL;
        row->era = current_era;
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
    uint64_t hash = (uint64_t)(uintptr_t)kind;
    hash = (hash ^ (uint64_t)(uintptr_t)name) * UINT64_C(0x9E3779B97F4A7C15);
    hash = (hash ^ (hash >> 32) ^ (uint64_t)(uintptr_t)site) * UINT64_C(0x9E3779B97F4A7C15);
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

/* ---- what Python code calls ---- */

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

/* The row of a wait that is about to begin: its kind, unless a function on the way to it was declared to wait for
 * something else, the name of what is waited for, or None, and the folders of the library that made it, or None. */
PyObject *
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
    if (UNLIKELY(row->era != current_era)) {
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

PyObject *
blocking_read(void)
{
    PyObject *found = PyList_New(0);
    PyObject *all = found == NULL ? NULL : PyDict_Values(rows);
    for (Py_ssize_t i = 0; all != NULL && found != NULL && i < PyList_GET_SIZE(all); i++) {
        const BlockingRow *row = (BlockingRow *)PyList_GET_ITEM(all, i);
        if (row->histogram != NULL) {
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

void
blocking_reset(void)
{
    current_era++;
    memset(recent, 0, sizeof(recent));
    PyDict_Clear(rows);
}

static PyObject *
row_key(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *key = ((BlockingRow *)self)->key;
    return Py_NewRef(key != NULL ? key : Py_None);
}

/* ---- the type ---- */

static PyGetSetDef row_attributes[] = {
    {"key", row_key, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef row_methods[] = {
    {"add_since", row_add_since, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject BlockingRowType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "thread._core.BlockingRow",
    .tp_basicsize = sizeof(BlockingRow),
    .tp_dealloc = row_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_methods = row_methods,
    .tp_getset = row_attributes,
};

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
