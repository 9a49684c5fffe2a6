/* How long the program waited for conditions, queues and the like: a row for each kind, name and site.
 *
 * The row is looked up before the wait. Work after the wait delays the thread that was waited for, so that is no more
 * than to read the clock and to add to the counts. */
#include "blocking.h"
#include "blocking_sites.h"
#include "hash.h"
#include "histogram.h"
#include "list.h"
#include "runtime.h"
#include "sites.h"

#include <string.h>

#define MAX_ROWS 2000

typedef struct {
    PyObject_HEAD
    PyObject *key;        /* a tuple of kind, name and site; NULL: its waits are not recorded */
    Histogram *histogram; /* NULL until a wait has ended */
    uint64_t generation;  /* a row from before everything was zeroed is of an earlier one */
    Py_ssize_t waiters;   /* as last read */
    int64_t oldest_began;
} BlockingRow;

/* A wait in progress, until it is dropped. */
typedef struct {
    PyObject_HEAD
    Link link;
    BlockingRow *row; /* a strong reference */
    unsigned long ident;
    int64_t began;
} BlockingWait;

static PyTypeObject BlockingRowType;
static PyTypeObject BlockingWaitType;

static Link current = EMPTY_LIST(current); /* waits in progress, the oldest first */

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
        row->waiters = 0;
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

/* ---- waits in progress ---- */

static PyObject *
row_begin(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    BlockingWait *wait = PyObject_New(BlockingWait, &BlockingWaitType);
    if (wait != NULL) {
        wait->row = (BlockingRow *)Py_NewRef(self);
        wait->ident = this_thread();
        wait->began = monotonic_ns();
        list_append(&current, &wait->link);
    }
    return (PyObject *)wait;
}

static PyObject *
wait_end(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    BlockingWait *wait = (BlockingWait *)self;
    list_remove(&wait->link);
    list_init(&wait->link);
    Py_RETURN_NONE;
}

static void
wait_dealloc(PyObject *self)
{
    BlockingWait *wait = (BlockingWait *)self;
    list_remove(&wait->link);
    Py_DECREF(wait->row);
    PyObject_Free(self);
}

static PyObject *
wait_began(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(((BlockingWait *)self)->began);
}

/* The waits of the parent's other threads go on in the parent alone. */
void
blocking_after_fork(void)
{
    for (Link *link = current.next, *next; link != &current; link = next) {
        next = link->next;
        if (CARRIER(link, BlockingWait, link)->ident != this_thread()) {
            list_remove(link);
            list_init(link);
        }
    }
}

/* A wait that began before everything was zeroed needs a row of now. False with an exception set. */
static bool
wait_renews_row(BlockingWait *wait)
{
    if (wait->row->key == NULL || wait->row->generation == current_generation) {
        return true;
    }
    BlockingRow *row = row_of_key(wait->row->key);
    if (row != NULL) {
        Py_SETREF(wait->row, (BlockingRow *)Py_NewRef(row));
    }
    return row != NULL;
}

/* A list of all rows, which know their waiters; NULL with an exception set. */
static PyObject *
rows_with_waiters(void)
{
    bool renewed = true;
    PAUSE_COLLECTOR;
    for EACH_LINK(link, &current) {
        renewed = renewed && wait_renews_row(CARRIER(link, BlockingWait, link));
    }
    PyObject *all = renewed ? PyDict_Values(rows) : NULL;
    RESUME_COLLECTOR;
    for (Py_ssize_t i = 0; all != NULL && i < PyList_GET_SIZE(all); i++) {
        ((BlockingRow *)PyList_GET_ITEM(all, i))->waiters = 0;
    }
    for EACH_LINK(link, &current) {
        const BlockingWait *wait = CARRIER(link, BlockingWait, link);
        if (wait->row->waiters++ == 0) {
            wait->row->oldest_began = wait->began;
        }
    }
    return all;
}

static PyObject *
row_read(const BlockingRow *row, int64_t now)
{
    /* Read first, since building the row can run finalizers that read again. */
    Py_ssize_t waiters = row->waiters;
    int64_t age = waiters > 0 && now > row->oldest_began ? now - row->oldest_began : 0;
    /* BlockingWaitRow */
    return Py_BuildValue("OOONnL", PyTuple_GET_ITEM(row->key, 0), PyTuple_GET_ITEM(row->key, 1),
                         PyTuple_GET_ITEM(row->key, 2), histogram_read(row->histogram), waiters, age);
}

static PyObject *
read_blocking(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *found = PyList_New(0);
    PyObject *all = found == NULL ? NULL : rows_with_waiters();
    int64_t now = monotonic_ns();
    for (Py_ssize_t i = 0; all != NULL && found != NULL && i < PyList_GET_SIZE(all); i++) {
        const BlockingRow *row = (BlockingRow *)PyList_GET_ITEM(all, i);
        if (row->histogram != NULL || row->waiters > 0) {
            found = rows_with(found, row_read(row, now));
        }
    }
    if (all == NULL) {
        Py_CLEAR(found);
    }
    Py_XDECREF(all);
    return found;
}

/* ---- the types ---- */

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
    {"begin", row_begin, METH_NOARGS, NULL},
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

static PyGetSetDef wait_attributes[] = {
    {"began", wait_began, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef wait_methods[] = {
    {"end", wait_end, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject BlockingWaitType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "thread._core.BlockingWait",
    .tp_basicsize = sizeof(BlockingWait),
    .tp_dealloc = wait_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_methods = wait_methods,
    .tp_getset = wait_attributes,
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
    if (PyType_Ready(&BlockingRowType) < 0 || PyType_Ready(&BlockingWaitType) < 0) {
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
