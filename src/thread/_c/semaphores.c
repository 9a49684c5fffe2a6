/* The records of semaphores.
 *
 * `threading.Semaphore` keeps its value and its waiting threads itself. What is recorded of it is that of a mutex
 * which nobody ever locks: its owner is the thread that has held a permit for the longest time, and is to blame when
 * another one waits. */
#include "core.h"

#include <string.h>

#define FIRST_HOLDERS 4
#define MAX_HOLDERS 1024 /* more are counted, but nobody looks who they are */

typedef struct {
    unsigned long ident;
    int64_t hold_started; /* 0: this hold is not sampled */
} Holder;

typedef struct {
    Mutex mutex;
    Holder *holders; /* in the order in which they came */
    int count;
    int capacity;
} SemaphoreRecord;

typedef struct {
    PyObject_HEAD
    Waiter *waiter; /* NULL: the wait has ended */
} SemaphoreWait;

static PyTypeObject SemaphoreWaitType;

/* ---- holders ---- */

static void
owner_is_first_holder(SemaphoreRecord *record)
{
    wait_elsewhere_set_owner(&record->mutex, record->count > 0 ? record->holders[0].ident : 0);
}

NOINLINE static bool
holders_grow(SemaphoreRecord *record)
{
    int capacity = record->capacity == 0 ? FIRST_HOLDERS : 2 * record->capacity;
    if (capacity > MAX_HOLDERS) {
        return false;
    }
    Holder *holders = PyMem_RawRealloc(record->holders, (size_t)capacity * sizeof(Holder));
    if (holders == NULL) {
        count_internal_error();
        return false;
    }
    record->holders = holders;
    record->capacity = capacity;
    return true;
}

static void
holder_add(SemaphoreRecord *record, int64_t hold_started)
{
    if (record->count == record->capacity && !holders_grow(record)) {
        return;
    }
    record->holders[record->count++] = (Holder){this_thread(), hold_started};
    owner_is_first_holder(record);
}

/* The newest of this thread; the oldest of all when another thread gives back the permit, as where a semaphore is a
 * signal. */
static int
holder_that_releases(const SemaphoreRecord *record)
{
    unsigned long me = this_thread();
    for (int i = record->count - 1; i >= 0; i--) {
        if (record->holders[i].ident == me) {
            return i;
        }
    }
    return 0;
}

static void
holder_remove(SemaphoreRecord *record)
{
    if (record->count == 0) {
        return;
    }
    int index = holder_that_releases(record);
    int64_t hold_started = record->holders[index].hold_started;
    record->count--;
    memmove(&record->holders[index], &record->holders[index + 1], (size_t)(record->count - index) * sizeof(Holder));
    owner_is_first_holder(record);
    if (hold_started != 0) {
        histogram_add(&record->mutex.identity->hold, monotonic_ns() - hold_started);
    }
}

/* ---- SemaphoreRecord ---- */

static PyObject *
record_acquired(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    SemaphoreRecord *record = (SemaphoreRecord *)self;
    Identity *identity = record->mutex.identity;
    int64_t hold_started = 0;
    if (UNLIKELY(++identity->acquisitions == identity->next_sample)) {
        identity_draw_next_sample(identity);
        hold_started = monotonic_ns();
    }
    holder_add(record, hold_started);
    Py_RETURN_NONE;
}

static PyObject *
record_released(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    SemaphoreRecord *record = (SemaphoreRecord *)self;
    long permits = nargs == 0 ? 1 : PyLong_AsLong(args[0]);
    if (permits == -1 && PyErr_Occurred()) {
        return NULL;
    }
    for (; permits > 0 && record->count > 0; permits--) {
        holder_remove(record);
    }
    Py_RETURN_NONE;
}

static PyObject *
record_begin_wait(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    SemaphoreWait *wait = PyObject_New(SemaphoreWait, &SemaphoreWaitType);
    if (wait == NULL) {
        return NULL;
    }
    wait->waiter = wait_elsewhere_begin((Mutex *)self);
    if (wait->waiter == NULL) {
        Py_DECREF(wait);
        return NULL;
    }
    return (PyObject *)wait;
}

static PyObject *
record_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"name", NULL};
    PyObject *name = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:SemaphoreRecord", keywords, &name) ||
        check_name(&name, "semaphore") < 0) {
        return NULL;
    }
    Identity *identity = identity_created(KIND_SEMAPHORE, name);
    SemaphoreRecord *record = identity == NULL ? NULL : (SemaphoreRecord *)type->tp_alloc(type, 0);
    if (record != NULL) {
        record->mutex.identity = identity;
        identity->live++;
    }
    return (PyObject *)record;
}

static void
record_dealloc(PyObject *self)
{
    SemaphoreRecord *record = (SemaphoreRecord *)self;
    record->mutex.identity->live--;
    PyMem_RawFree(record->holders);
    Py_TYPE(self)->tp_free(self);
}

PyDoc_STRVAR(record_doc, "SemaphoreRecord(*, name=None)\n--\n\n"
"What is recorded of one semaphore, which tells it what happens.");
PyDoc_STRVAR(acquired_doc, "acquired($self, /)\n--\n\nThis thread got a permit.");
PyDoc_STRVAR(released_doc, "released($self, n=1, /)\n--\n\nThis thread gave back n permits.");
PyDoc_STRVAR(begin_wait_doc, "begin_wait($self, /)\n--\n\n"
"This thread begins to wait for a permit. Returns the wait.");

static PyMethodDef record_methods[] = {
    {"acquired", record_acquired, METH_NOARGS, acquired_doc},
    {"released", (PyCFunction)(void (*)(void))record_released, METH_FASTCALL, released_doc},
    {"begin_wait", record_begin_wait, METH_NOARGS, begin_wait_doc},
    {NULL, NULL, 0, NULL},
};

PyTypeObject SemaphoreRecordType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "thread._core.SemaphoreRecord",
    .tp_basicsize = sizeof(SemaphoreRecord),
    .tp_dealloc = record_dealloc,
    .tp_doc = record_doc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_methods = record_methods,
    .tp_new = record_new,
};

/* ---- SemaphoreWait ---- */

static PyObject *
wait_seconds_to_evidence(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const SemaphoreWait *wait = (SemaphoreWait *)self;
    int64_t left = wait->waiter == NULL ? FOREVER : wait_elsewhere_evidence_due(wait->waiter);
    if (left == FOREVER) {
        Py_RETURN_NONE;
    }
    left -= monotonic_ns();
    return PyFloat_FromDouble(left <= 0 ? 0.0 : (double)left * 1e-9);
}

static PyObject *
wait_give_evidence(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const SemaphoreWait *wait = (SemaphoreWait *)self;
    if (wait->waiter != NULL) {
        wait_elsewhere_give_evidence(wait->waiter);
    }
    Py_RETURN_NONE;
}

static void
wait_finish(SemaphoreWait *wait, WaitOutcome outcome)
{
    Waiter *waiter = wait->waiter;
    wait->waiter = NULL;
    if (waiter != NULL) {
        wait_elsewhere_end(waiter, outcome);
    }
}

static PyObject *
wait_end(PyObject *self, PyObject *acquired)
{
    WaitOutcome outcome = acquired == Py_True ? WAIT_ACQUIRED : acquired == Py_False ? WAIT_TIMED_OUT : WAIT_INTERRUPTED;
    wait_finish((SemaphoreWait *)self, outcome);
    Py_RETURN_NONE;
}

/* Dropped without an end: an exception went through. */
static void
wait_dealloc(PyObject *self)
{
    wait_finish((SemaphoreWait *)self, WAIT_INTERRUPTED);
    PyObject_Free(self);
}

PyDoc_STRVAR(seconds_to_evidence_doc, "seconds_to_evidence($self, /)\n--\n\n"
"How long until the wait is a slow one, None once its evidence was given.");
PyDoc_STRVAR(give_evidence_doc, "give_evidence($self, /)\n--\n\n"
"Record who holds a permit now and what this thread and that one do.");
PyDoc_STRVAR(end_doc, "end($self, acquired, /)\n--\n\n"
"The wait is over: with a permit, without one because its time was up, or, if\n"
"None, because it was interrupted. One that is dropped without this was that.");

static PyMethodDef wait_methods[] = {
    {"seconds_to_evidence", wait_seconds_to_evidence, METH_NOARGS, seconds_to_evidence_doc},
    {"give_evidence", wait_give_evidence, METH_NOARGS, give_evidence_doc},
    {"end", wait_end, METH_O, end_doc},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject SemaphoreWaitType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "thread._core.SemaphoreWait",
    .tp_basicsize = sizeof(SemaphoreWait),
    .tp_dealloc = wait_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_methods = wait_methods,
};

int
semaphores_init(void)
{
    return PyType_Ready(&SemaphoreRecordType) < 0 ? -1 : PyType_Ready(&SemaphoreWaitType);
}
