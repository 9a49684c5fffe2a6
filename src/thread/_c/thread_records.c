/* The record of one thread, from the request to start it to its end. */
#include "thread_records.h"
#include "events.h"
#include "runtime.h"
#include "sites.h"

#include <string.h>
#include <time.h>

static Link running = EMPTY_LIST(running);
static PyObject *watch_excepthook;
static PyObject *record_unhandled;

static PyTypeObject RecordType;

/* ---- all that run ---- */

static Record *
record_of(Link *link)
{
    return CARRIER(link, Record, running);
}

/* ---- unhandled exceptions ---- */

/* -1 if the program raised something meanwhile. */
static int
record_exception(Record *record, PyObject *exception)
{
    record->outcome = RAISED;
    PyObject *event = PyObject_CallFunction(record_unhandled, "OOkkLN", exception, record->target->name, record->ident,
                                            record->native_id, monotonic_ns(), span_context_of_this_thread());
    if (event == NULL) {
        return absorb_internal_error() ? 0 : -1;
    }
    if (settings.listening) {
        events_push(event);
    }
    else {
        Py_DECREF(event);
    }
    return 0;
}

/* For a thread of `threading`, which catches the exception itself and calls a hook. */
static PyObject *
record_exception_method(PyObject *self, PyObject *exception)
{
    return record_exception((Record *)self, exception) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef record_exception_def = {"record_exception", record_exception_method, METH_O, NULL};

static PyObject *
take_exception(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL && value != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

void
record_raised(Record *record)
{
    if (PyErr_ExceptionMatches(PyExc_SystemExit)) {
        record->outcome = EXITED;
        return;
    }
    PyObject *exception = record->target == NULL ? NULL : take_exception();
    if (exception != NULL) {
        (void)record_exception(record, exception);
        PyErr_Restore(Py_NewRef(Py_TYPE(exception)), exception, PyException_GetTraceback(exception));
    }
}

/* ---- the request ---- */

/* Have the thread object behind the bound method `_bootstrap` report an exception. -1 if the program raised something
 * meanwhile. */
static int
watch_method(Record *record)
{
    PyObject *recorder = PyCFunction_New(&record_exception_def, (PyObject *)record);
    PyObject *result =
        recorder == NULL ? NULL : PyObject_CallFunctionObjArgs(watch_excepthook, record->function, recorder,
                                                               record->target->name, NULL);
    Py_XDECREF(recorder);
    Py_XDECREF(result);
    return result == NULL && !absorb_internal_error() ? -1 : 0;
}

/* The thread object would refer to itself through the method that watches it. */
void
record_abandon(Record *record)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    Py_CLEAR(record->function);
    Py_CLEAR(record->args);
    Py_CLEAR(record->kwargs);
    thread_trace_drop(&record->trace);
    PyErr_Restore(type, value, traceback);
}

/* Nothing is recorded of the thread if that fails. -1 if the program raised something meanwhile: a signal handler
 * interrupts Python code of ours as well. */
static int
record_request(Record *record, PyObject *name)
{
    record->target = target_of(record->function, name);
    if (record->target == NULL) {
        return absorb_internal_error() ? 0 : -1;
    }
    record->starter = site_of_this_thread();
    if (thread_trace_request(&record->trace, record->function) < 0 ||
        (may_start_untracked_thread(record->function) && watch_method(record) < 0)) {
        return -1;
    }
    record->requested = monotonic_ns();
    return 0;
}

Record *
record_new(PyObject *function, PyObject *args, PyObject *kwargs, PyObject *name)
{
    Record *record = PyObject_New(Record, &RecordType);
    if (record == NULL) {
        return NULL;
    }
    memset((char *)record + sizeof(PyObject), 0, sizeof(Record) - sizeof(PyObject));
    record->function = Py_NewRef(function);
    record->args = Py_NewRef(args);
    record->kwargs = Py_XNewRef(kwargs);
    record->untracked = is_untracked() || serves_telemetry();
    if (!record->untracked && record_request(record, name) < 0) {
        record_abandon(record);
        Py_CLEAR(record);
    }
    return record;
}

static void
record_dealloc(PyObject *self)
{
    Record *record = (Record *)self;
    Py_XDECREF(record->function);
    Py_XDECREF(record->args);
    Py_XDECREF(record->kwargs);
    thread_trace_drop(&record->trace);
    PyObject_Free(self);
}

/* ---- begin and end ---- */

static int64_t
cpu_time_ns(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0) {
        return 0;
    }
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void
record_begin(Record *record)
{
    record->ident = this_thread();
    record->native_id = PyThreadState_Get()->native_thread_id;
    record->started = monotonic_ns();
    record->target->started++;
    list_append(&running, &record->running);
    thread_trace_begin(&record->trace);
}

static void
push_finished(const Record *record, int64_t lifetime, int64_t cpu_time)
{
    static const char *const outcomes[] = {"returned", "exited", "raised"};
    PyObject *trace = thread_trace_end(&record->trace);
    /* ThreadFinishedRow */
    PyObject *event = trace == NULL ? NULL
                                    : Py_BuildValue("skkOOLLLLs", "thread_finished", record->ident, record->native_id,
                                                    record->target->name, record->starter, record->requested,
                                                    record->started - record->requested, lifetime, cpu_time,
                                                    outcomes[record->outcome]);
    events_push(event == NULL ? NULL : PySequence_Concat(event, trace));
    Py_XDECREF(event);
    Py_XDECREF(trace);
}

void
record_end(Record *record)
{
    Target *target = record->target;
    int64_t cpu_time = cpu_time_ns();
    int64_t lifetime = monotonic_ns() - record->started;
    list_remove(&record->running);
    target->finished++;
    sum_add(&target->cpu_time_ns, cpu_time);
    histogram_add(&target->start_delay, record->started - record->requested);
    histogram_add(&target->lifetime, lifetime);
    if (settings.listening) {
        push_finished(record, lifetime, cpu_time);
    }
    thread_trace_drop(&record->trace);
}

/* ---- reading ---- */

static PyObject *
read_live_threads(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    size_t count = 0;
    for EACH_LINK(link, &running) {
        count++;
    }
    /* Copied first, since building the rows can switch to threads that begin and end. */
    typedef struct {
        unsigned long ident, native_id;
        PyObject *name;
        int64_t started;
    } Copy;
    Copy *copies = PyMem_RawCalloc(count + 1, sizeof(Copy));
    if (copies == NULL) {
        return PyErr_NoMemory();
    }
    Copy *end = copies;
    for EACH_LINK(link, &running) {
        const Record *record = record_of(link);
        *end++ = (Copy){record->ident, record->native_id, record->target->name, record->started};
    }
    PyObject *rows = PyList_New(0);
    for (const Copy *copy = copies; rows != NULL && copy < end; copy++) {
        /* LiveThreadRow */
        PyObject *row = Py_BuildValue("kkOL", copy->ident, copy->native_id, copy->name, copy->started);
        rows = rows_with(rows, row);
    }
    PyMem_RawFree(copies);
    return rows;
}

/* ---- life of the module ---- */

static PyTypeObject RecordType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "thread._core.ThreadRecord",
    .tp_basicsize = sizeof(Record),
    .tp_dealloc = record_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

int
thread_records_init(void)
{
    watch_excepthook = attribute_of_module("thread._inspection.unhandled", "watch_excepthook");
    record_unhandled = attribute_of_module("thread._inspection.unhandled", "record_exception");
    return PyErr_Occurred() ? -1 : PyType_Ready(&RecordType);
}

/* After the targets were: threads that run count as started. */
void
thread_records_reset(void)
{
    for EACH_LINK(link, &running) {
        record_of(link)->target->started++;
    }
}

/* Of the parent's threads only this one exists here. */
void
thread_records_after_fork(void)
{
    unsigned long me = this_thread();
    for (Link *link = running.next, *next; link != &running; link = next) {
        next = link->next;
        if (record_of(link)->ident != me) {
            list_remove(link);
        }
    }
}

PyMethodDef thread_records_functions[] = {
    {"read_live_threads", read_live_threads, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
