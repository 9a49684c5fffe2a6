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

/* ---- zero ---- */

static int
zero_everything(void)
{
    runtime_reset();
    identities_reset();
    blame_free(&ended_waits);
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

/* ---- waits ---- */

/* A mutex is free if a thread of the parent was given it, or took it, but had no GIL to use it. */
static void
mutex_forget_waiters(Mutex *mutex, const Waiter *waiter, unsigned long me)
{
    unsigned long word = mutex_word(mutex);
    bool given = atomic_load(&((Waiter *)waiter)->state) == OWNER && word == waiter->ident && word != me;
    if (word == OFFERED || word == TAKEN || given) {
        mutex_set_word(mutex, FREE);
    }
    if (mutex->queue != NULL) {
        list_init(&mutex->queue->waiters);
        mutex->queue->recorded = 0;
    }
}

static void
waiter_waits_on(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    if (atomic_load(&waiter->state) == OWNER) {
        return;
    }
    queue_append(mutex->queue, waiter);
    if (mutex_word(mutex) == FREE && !waiter->elsewhere) {
        mutex_offer(mutex);
    }
}

static void
waiter_forget(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    waiter->forgotten = true;
    if (mutex->queue != NULL && list_is_empty(&mutex->queue->waiters)) {
        queue_free(mutex->queue);
        mutex->queue = NULL;
    }
}

/* The waits of this thread, if a signal handler forks in the middle of one, go on; those of the others are forgotten,
 * and their memory with them. */
static void
waits_after_fork(void)
{
    unsigned long me = this_thread();
    for EACH_LINK(link, &all_waiters) {
        Waiter *waiter = CARRIER(link, Waiter, in_all);
        mutex_forget_waiters(waiter->mutex, waiter, me);
    }
    for EACH_LINK(link, &all_waiters) {
        Waiter *waiter = CARRIER(link, Waiter, in_all);
        if (waiter->ident == me) {
            waiter_waits_on(waiter);
        }
    }
    for (Link *link = all_waiters.next, *next; link != &all_waiters; link = next) {
        Waiter *waiter = CARRIER(link, Waiter, in_all);
        next = link->next;
        if (waiter->ident != me) {
            waiter_disappear(waiter);
            waiter_forget(waiter);
        }
    }
}

/* ---- the child ---- */

/* Of the parent's threads only the one that forked exists here, and that one may be in the middle of anything:
 *
 * 1. The number of untracked threads, which decides whether the following is recorded.
 * 2. Waits: those of other threads are forgotten, and a mutex that one of them was given but did not use is free.
 * 3. Waits that are no contention: those of other threads are forgotten.
 * 4. Threads: only this one runs.
 * 5. The semaphore of the drain thread, which the parent's may have been asleep in.
 * 6. All counts are zeroed, last, since the steps before may add to them. */
static PyObject *
after_fork_in_child(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    runtime_after_fork();
    waits_after_fork();
    blocking_after_fork();
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
