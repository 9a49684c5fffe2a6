/* The records of semaphores.
 *
 * `threading.Semaphore` keeps its value and its waiting threads itself. Its record is that of a mutex which nobody ever
 * locks: the owner is the thread that has held a permit for the longest time, and is to blame if another one waits. */
#include "semaphores.h"
#include "naming.h"
#include "runtime.h"
#include "waits.h"

#include <string.h>

#define FIRST_HOLDERS 4
#define MAX_HOLDERS 1024 /* more are counted, but not known */

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

/* Another thread, or none, is to blame for waits from now on. */
static void
set_owner(Mutex *mutex, unsigned long owner)
{
    if (mutex_word(mutex) == owner) {
        return;
    }
    if (mutex->queue != NULL) {
        int64_t now = monotonic_ns();
        mutex_charge(mutex, now);
        mutex_weigh_owner(mutex, now);
        queue_begin_ownership(mutex->queue, NULL, now);
    }
    mutex_set_word(mutex, owner);
}

static void
owner_is_first_holder(SemaphoreRecord *record)
{
    set_owner(&record->mutex, record->count > 0 ? record->holders[0].ident : 0);
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

/* The newest of this thread; the oldest of all if another thread gives back the permit, as when a semaphore is used as
 * a signal. */
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
    wait->waiter = waiter_begin((Mutex *)self, true, true);
    if (wait->waiter == NULL) {
        Py_DECREF(wait);
        return NULL;
    }
    return (PyObject *)wait;
}

static PyObject *
record_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"name", "bounded", NULL};
    PyObject *name = NULL;
    int bounded = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$Op:SemaphoreRecord", keywords, &name, &bounded) ||
        check_name(&name, "semaphore") < 0) {
        return NULL;
    }
    Identity *identity = identity_created(bounded ? KIND_BOUNDED_SEMAPHORE : KIND_SEMAPHORE, name);
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

PyDoc_STRVAR(record_doc, "SemaphoreRecord(*, name=None, bounded=False)\n--\n\n"
"The record of one semaphore, which reports to it. A bounded one is never a signal.");
PyDoc_STRVAR(acquired_doc, "acquired($self, /)\n--\n\nThis thread got a permit.");
PyDoc_STRVAR(released_doc, "released($self, n=1, /)\n--\n\nThis thread gave back n permits.");
PyDoc_STRVAR(begin_wait_doc, "begin_wait($self, /)\n--\n\n"
"This thread begins to wait for a permit. Returns the wait.");

static PyMethodDef record_methods[] = {
    {"acquired", record_acquired, METH_NOARGS, acquired_doc},
    {"released", FAST(record_released), released_doc},
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
    const Waiter *waiter = ((SemaphoreWait *)self)->waiter;
    if (waiter == NULL || waiter->forgotten || waiter->evidence_due == FOREVER) {
        Py_RETURN_NONE;
    }
    int64_t left = waiter->evidence_due - monotonic_ns();
    return PyFloat_FromDouble(left <= 0 ? 0.0 : (double)left * 1e-9);
}

static PyObject *
wait_give_evidence(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Waiter *waiter = ((SemaphoreWait *)self)->waiter;
    if (waiter != NULL && !waiter->forgotten && waiter->evidence_due != FOREVER) {
        waiter_look_at_owner(waiter);
    }
    Py_RETURN_NONE;
}

static void
wait_finish(SemaphoreWait *wait, WaitOutcome outcome)
{
    Waiter *waiter = wait->waiter;
    wait->waiter = NULL;
    if (waiter == NULL || waiter->forgotten) {
        return;
    }
    PyObject *type, *value, *traceback; /* that went through the wait, if one did */
    PyErr_Fetch(&type, &value, &traceback);
    waiter_leaves(waiter);
    waiter_end(waiter, outcome);
    PyErr_Restore(type, value, traceback);
}

static PyObject *
wait_end(PyObject *self, PyObject *acquired)
{
    WaitOutcome outcome = WAIT_INTERRUPTED;
    if (acquired == Py_True) {
        outcome = WAIT_ACQUIRED;
    }
    else if (acquired == Py_False) {
        outcome = WAIT_TIMED_OUT;
    }
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
"Seconds until the wait is a slow one, None once its evidence was given.");
PyDoc_STRVAR(give_evidence_doc, "give_evidence($self, /)\n--\n\n"
"Record who holds a permit now and what this thread and that one do.");
PyDoc_STRVAR(end_doc, "end($self, acquired, /)\n--\n\n"
"End the wait: with a permit, without one because it timed out, or, if None,\n"
"because it was interrupted. A wait that is dropped without this counts as that.");

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
