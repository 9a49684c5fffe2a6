/* A fresh start, by reset() and in a forked child. */
#include "fork.h"
#include "blame.h"
#include "blocking.h"
#include "events.h"
#include "identities.h"
#include "runtime.h"
#include "targets.h"
#include "thread_records.h"
#include "waits.h"

static PyObject *reset_in_python;

static int
zero_everything(void)
{
    runtime_reset();
    identities_reset();
    blame_reset();
    blocking_reset();
    events_reset();
    targets_reset();
    thread_records_reset();
    PyObject *result = PyObject_CallNoArgs(reset_in_python);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static PyObject *
reset(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    if (zero_everything() < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Of the parent's threads only the one that forked exists here, and that one may be in the middle of anything:
 *
 * 1. The number of untracked threads, which decides whether the following is recorded.
 * 2. Waits: those of other threads are forgotten, and a mutex that one of them was given but did not use is free.
 * 3. Threads: only this one runs.
 * 4. The semaphore of the drain thread, which the parent's may have been asleep in.
 * 5. All counts are zeroed, last, since the steps before may add to them. */
static PyObject *
after_fork_in_child(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    runtime_after_fork();
    waits_after_fork();
    thread_records_after_fork();
    events_after_fork();
    return reset(NULL, NULL);
}

static PyMethodDef after_fork_def = {"after_fork_in_child", after_fork_in_child, METH_NOARGS, NULL};

static int
register_at_fork(void)
{
    PyObject *register_function = attribute_of_module("os", "register_at_fork");
    PyObject *handler = register_function == NULL ? NULL : PyCFunction_New(&after_fork_def, NULL);
    PyObject *keywords = handler == NULL ? NULL : Py_BuildValue("{sO}", "after_in_child", handler);
    PyObject *no_args = keywords == NULL ? NULL : PyTuple_New(0);
    PyObject *result = no_args == NULL ? NULL : PyObject_Call(register_function, no_args, keywords);
    Py_XDECREF(no_args);
    Py_XDECREF(keywords);
    Py_XDECREF(handler);
    Py_XDECREF(register_function);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int
fork_init(void)
{
    reset_in_python = attribute_of_module("thread._base.resets", "reset");
    return reset_in_python == NULL ? -1 : register_at_fork();
}

PyMethodDef fork_functions[] = {
    {"reset", reset, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
