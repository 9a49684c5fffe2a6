/* The record of a wait, and the evidence of a slow one: both stacks, the owner, the blame. */
#include "evidence.h"
#include "blame.h"
#include "events.h"
#include "runtime.h"
#include "sites.h"
#include "spans.h"
#include "tasks.h"

/* ---- the evidence of an owner ---- */

/* The owner, its stack, site and span, while it still holds the mutex. NULL counts an internal error. */
static PyObject *
owner_evidence(Mutex *mutex)
{
    unsigned long owner = mutex_owner(mutex);
    PyObject *site = queue_owner_site(mutex);
    PAUSE_COLLECTOR;
    PyObject *span = owner == this_thread() ? span_context_of_this_thread() : span_context_of_thread(owner);
    PyObject *evidence = Py_BuildValue("kNON", owner, stack_of_thread(owner), site, span);
    RESUME_COLLECTOR;
    if (evidence == NULL) {
        count_internal_error();
    }
    return evidence;
}

/* The wait keeps the evidence of the owner that kept the mutex for the longest part of it. */
static void
waiter_weigh_evidence(Waiter *waiter, PyObject *evidence, int64_t kept)
{
    int64_t part = monotonic_ns() - waiter->wait.started;
    part = part < kept ? part : kept;
    if (waiter->recorded && (waiter->owner_evidence == NULL || part > waiter->owner_kept)) {
        waiter->owner_kept = part;
        Py_XSETREF(waiter->owner_evidence, Py_NewRef(evidence));
    }
}

/* An owner that nobody looked at gives evidence of itself if it alone made a wait slow. */
void
mutex_weigh_owner(Mutex *mutex, int64_t now)
{
    Queue *queue = mutex->queue;
    int64_t kept = now - queue->owner_since;
    if (queue->owner_evidence == NULL && kept >= settings.slow_wait_ns && queue->recorded > 0 &&
        settings.listening && !is_untracked() && mutex_owner(mutex) != 0) {
        queue->owner_evidence = owner_evidence(mutex);
    }
    if (queue->owner_evidence == NULL) {
        return;
    }
    for EACH_LINK(link, &queue->waiters) {
        waiter_weigh_evidence(CARRIER(link, Waiter, in_queue), queue->owner_evidence, kept);
    }
}

/* ---- the evidence of a waiter ---- */

static void
waiter_give_evidence(Waiter *waiter)
{
    waiter->evidence_due = FOREVER;
    if (!settings.listening || is_untracked()) {
        return;
    }
    Py_ssize_t waiters = waiter->mutex->identity->waiting;
    PAUSE_COLLECTOR;
    waiter->evidence = Py_BuildValue("NnNN", stack_of_thread(waiter->ident), waiters, task_of_this_thread(),
                                     span_context_of_this_thread());
    RESUME_COLLECTOR;
    if (waiter->evidence == NULL) {
        count_internal_error();
    }
}

void
waiter_look_at_owner(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    Queue *queue = mutex->queue;
    int64_t now = monotonic_ns();
    mutex_look_at_owner(mutex, now);
    waiter_give_evidence(waiter);
    if (waiter->evidence == NULL || mutex_owner(mutex) == 0) {
        return;
    }
    Py_XSETREF(queue->owner_evidence, owner_evidence(mutex));
    if (queue->owner_evidence != NULL) {
        waiter_weigh_evidence(waiter, queue->owner_evidence, now - queue->owner_since);
    }
}

/* ---- the record ---- */

/* The rows of blame add up to the wait. Returns the part in which the lock was free but this thread had no GIL. */
static int64_t
waiter_blame(const Waiter *waiter, const Shares *shares, int64_t ended, Blame *blame)
{
    Identity *identity = waiter->mutex->identity;
    int64_t rest = ended - waiter->wait.started, gil = 0;
    for (int i = 0; waiter->noted && i < shares->count; i++) {
        Share share = shares->items[i];
        rest -= share.ns;
        if (share.site == gil_site) {
            gil += share.ns;
        }
        else if (share.ns > 0) {
            blame_add(blame, identity, waiter->acquire_site, share.site, 1, share.ns);
        }
    }
    if (!waiter->noted || waiter->elsewhere) {
        blame_add(blame, identity, waiter->acquire_site, unknown_site, rest > 0, rest);
        return gil;
    }
    gil += rest;
    if (gil > 0) {
        blame_add(blame, identity, waiter->acquire_site, gil_site, 1, gil);
    }
    return gil;
}

static PyObject *
gil_wait_of(const Waiter *waiter, int64_t gil_ns)
{
    if (waiter->elsewhere) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLongLong(gil_ns);
}

/* If a wait met many owners, each for a short time, only the site with the largest share is known. */
static PyObject *
site_most_to_blame(const Waiter *waiter)
{
    Share most = {unknown_site, 0, 0};
    for (int i = 0; waiter->noted && i < waiter->shares.count; i++) {
        if (waiter->shares.items[i].ns > most.ns && waiter->shares.items[i].site != gil_site) {
            most = waiter->shares.items[i];
        }
    }
    return most.site;
}

static PyObject *
owner_evidence_of(const Waiter *waiter)
{
    return waiter->owner_evidence != NULL ? Py_NewRef(waiter->owner_evidence)
                                          : Py_BuildValue("k()OO", 0UL, site_most_to_blame(waiter), Py_None);
}

static void
waiter_push_event(Waiter *waiter, WaitOutcome outcome, int64_t ended, int64_t gil_ns)
{
    static const char *const outcomes[] = {"acquired", "timed out", "interrupted"};
    const Identity *identity = waiter->mutex->identity;
    PyObject *owner = owner_evidence_of(waiter);
    PyObject *event = NULL;
    if (owner != NULL) {
#define OF(tuple, index) PyTuple_GET_ITEM(tuple, index)
        /* SlowWaitRow */
        event = Py_BuildValue("sOsOkkOOOOOOOOOLLNs", "slow_wait", identity->name, kind_name(identity->kind),
                              identity->location, waiter->ident, PyThread_get_thread_native_id(),
                              OF(waiter->evidence, 0), waiter->acquire_site, OF(owner, 0), OF(owner, 1), OF(owner, 2),
                              OF(waiter->evidence, 1), OF(waiter->evidence, 2), OF(waiter->evidence, 3), OF(owner, 3),
                              waiter->wait.started, ended - waiter->wait.started, gil_wait_of(waiter, gil_ns),
                              outcomes[outcome]);
#undef OF
        Py_DECREF(owner);
    }
    events_push(event);
}

void
waiter_record(Waiter *waiter, WaitOutcome outcome, int64_t ended)
{
    Identity *identity = waiter->mutex->identity;
    histogram_add(&identity->wait, ended - waiter->wait.started);
    identity->contentions += outcome == WAIT_ACQUIRED;
    identity->timeouts += outcome == WAIT_TIMED_OUT;
    int64_t gil_ns = waiter_blame(waiter, &waiter->shares, ended, &ended_waits);
    waiter->recorded = false; /* from here on Python code can run, which may read the blame */
    if (ended >= waiter->evidence_due) {
        waiter_give_evidence(waiter); /* it became a slow one while it had no GIL to look with */
    }
    if (waiter->evidence != NULL) {
        waiter_push_event(waiter, outcome, ended, gil_ns);
    }
    Py_CLEAR(waiter->evidence);
}

/* ---- who waited for whom, until now ---- */

/* Blame for a wait in progress. It only grows until the wait ends: whoever is charged now is charged for this time. */
static void
waiter_blame_until_now(Waiter *waiter, int64_t now, Blame *blame)
{
    if (atomic_load(&waiter->state) == OWNER) {
        waiter_blame(waiter, &waiter->shares, now, blame);
        return;
    }
    Shares totals, shares;
    shares_init(&totals);
    shares_init(&shares);
    int64_t until = mutex_preview(waiter->mutex, &totals, now);
    if (until != 0 && (!waiter->noted || (shares_note(&shares, &waiter->shares) && shares_take(&shares, &totals)))) {
        waiter_blame(waiter, &shares, until, blame);
    }
    shares_free(&totals);
    shares_free(&shares);
}

static PyObject *
read_blame(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    Blame blame;
    if (!blame_copy(&blame, &ended_waits)) {
        return PyErr_NoMemory();
    }
    int64_t now = monotonic_ns();
    PAUSE_COLLECTOR;
    for EACH_LINK(link, &all_waiters) {
        Waiter *waiter = CARRIER(link, Waiter, in_all);
        if (waiter->recorded) {
            waiter_blame_until_now(waiter, now, &blame);
        }
    }
    RESUME_COLLECTOR;
    PyObject *rows = blame_read(&blame);
    blame_free(&blame);
    return rows;
}

PyMethodDef evidence_functions[] = {
    {"read_blame", read_blame, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
