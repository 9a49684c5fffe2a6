/* The totals of all locks of one name or creation site. An identity lives as long as the process; their number is
 * bounded. */
#include "identities.h"
#include "hash.h"
#include "runtime.h"

#include <math.h>

#define MAX_IDENTITIES 2000

Identity unobserved_identity = {.next_sample = NEVER, .waits = EMPTY_LIST(unobserved_identity.waits)};

static Identity *identities[MAX_IDENTITIES + KIND_COUNT]; /* room for one `other` of each kind */
static Py_ssize_t identity_count = 0;
static PyObject *indices[KIND_COUNT]; /* dict: name -> index into identities */
static uint64_t random_state;

const char *
kind_name(Kind kind)
{
    static const char *const names[KIND_COUNT] = {"lock", "rlock", "semaphore", "bounded_semaphore"};
    return names[kind];
}

/* xorshift64*, Vigna 2016: its upper bits are good enough for choosing samples, and it is a few instructions. */
static uint64_t
random_bits(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

/* The number of acquisitions to skip before the next sample: the geometric distribution, tabulated, since its logarithm
 * would be the most expensive part of a sample. It makes each acquisition equally likely to be sampled, whatever came
 * before, so that no regular pattern of the program can hide from the samples or attract them. */
#define SKIP_BITS 10
#define SKIPS (1 << SKIP_BITS)

static uint64_t skips[SKIPS];
static uint64_t period_of_skips = 0;

static void
tabulate_skips(uint64_t period)
{
    for (int i = 0; i < SKIPS; i++) {
        skips[i] = (uint64_t)(log((i + 0.5) / SKIPS) / log1p(-1.0 / (double)period));
    }
    period_of_skips = period;
}

void
identity_draw_next_sample(Identity *identity)
{
    uint64_t period = settings.hold_sampling;
    if (period == 0 || identity == &unobserved_identity) {
        identity->next_sample = NEVER;
    }
    else if (period == 1) {
        identity->next_sample = identity->acquisitions + 1;
    }
    else {
        if (period != period_of_skips) {
            tabulate_skips(period);
        }
        identity->next_sample = identity->acquisitions + 1 + skips[random_bits() >> (64 - SKIP_BITS)];
    }
}

static Identity *
identity_new(PyObject *name, Kind kind, PyObject *location, PyObject *object_name)
{
    Identity *identity = PyMem_RawCalloc(1, sizeof(Identity));
    if (identity == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    identity->name = Py_NewRef(name);
    identity->location = Py_NewRef(location);
    identity->object_name = Py_NewRef(object_name);
    identity->kind = kind;
    list_init(&identity->waits);
    identity_draw_next_sample(identity);
    return identity;
}

static Identity *
identity_add(PyObject *name, Kind kind, PyObject *location, PyObject *object_name)
{
    PyObject *index = PyLong_FromSsize_t(identity_count);
    Identity *identity = index == NULL ? NULL : identity_new(name, kind, location, object_name);
    if (identity == NULL) {
        Py_XDECREF(index);
        return NULL;
    }
    if (PyDict_SetItem(indices[kind], name, index) < 0) {
        Py_DECREF(index);
        Py_DECREF(identity->name);
        Py_DECREF(identity->location);
        Py_DECREF(identity->object_name);
        PyMem_RawFree(identity);
        return NULL;
    }
    Py_DECREF(index);
    identities[identity_count++] = identity;
    return identity;
}

static Identity *
identity_known(PyObject *name, Kind kind)
{
    PyObject *index = PyDict_GetItemWithError(indices[kind], name);
    return index == NULL ? NULL : identities[PyLong_AsSsize_t(index)];
}

/* `name` must be a str and no instance of a subclass, so that looking it up runs no Python code. */
Identity *
identity_named(PyObject *name, Kind kind, PyObject *location, PyObject *object_name)
{
    Identity *identity = identity_known(name, kind);
    if (identity != NULL || PyErr_Occurred()) {
        return identity;
    }
    if (identity_count < MAX_IDENTITIES) {
        return identity_add(name, kind, location, object_name);
    }
    note_cap();
    PyObject *other = PyUnicode_InternFromString("other");
    PyObject *nowhere = other == NULL ? NULL : PyUnicode_FromString("");
    if (nowhere != NULL) {
        identity = identity_known(other, kind);
        if (identity == NULL && !PyErr_Occurred()) {
            identity = identity_add(other, kind, nowhere, other);
        }
    }
    Py_XDECREF(other);
    Py_XDECREF(nowhere);
    return identity;
}

Identity *
identity_renamed(Identity *identity, PyObject *object_name)
{
    if (identity == &unobserved_identity) {
        return identity;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(identity->object_name);
    PyObject *part = PyUnicode_Substring(identity->name, length, PyUnicode_GET_LENGTH(identity->name));
    PyObject *name = part == NULL ? NULL : PyUnicode_Concat(object_name, part);
    Identity *renamed = name == NULL ? NULL : identity_named(name, identity->kind, identity->location, object_name);
    Py_XDECREF(name);
    Py_XDECREF(part);
    return renamed;
}

/* ---- waits in progress ---- */

static Wait *
wait_of(Link *link)
{
    return CARRIER(link, Wait, link);
}

/* A new wait is the newest; one whose lock was renamed may be older than others of the new name. */
void
identity_add_wait(Identity *identity, Wait *wait)
{
    Link *before = identity->waits.previous;
    while (before != &identity->waits && wait_of(before)->started > wait->started) {
        before = before->previous;
    }
    list_insert_after(before, &wait->link);
    identity->waiting++;
}

void
identity_remove_wait(Identity *identity, Wait *wait)
{
    list_remove(&wait->link);
    identity->waiting--;
}

/* ---- settings, reset, reading ---- */

static void
identities_configure(const Settings *former)
{
    if (settings.hold_sampling == former->hold_sampling) {
        return;
    }
    for (Py_ssize_t i = 0; i < identity_count; i++) {
        identity_draw_next_sample(identities[i]);
    }
}

static void
identity_reset(Identity *identity)
{
    identity->acquisitions = 0;
    identity->contentions = 0;
    identity->timeouts = 0;
    histogram_reset(&identity->wait);
    histogram_reset(&identity->hold);
    identity_draw_next_sample(identity);
}

static void
random_seed(void)
{
    /* A forked child must not draw the samples of its parent. Zero would be a fixed point. */
    random_state = ((uint64_t)monotonic_ns() * GOLDEN_RATIO) | 1;
}

void
identities_reset(void)
{
    random_seed();
    for (Py_ssize_t i = 0; i < identity_count; i++) {
        identity_reset(identities[i]);
    }
    identity_reset(&unobserved_identity);
}

int
identities_init(void)
{
    on_configure(identities_configure);
    random_seed();
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        indices[kind] = PyDict_New();
        if (indices[kind] == NULL) {
            return -1;
        }
    }
    return 0;
}

/* 0 if no thread waits, or the only waits began after `now`. */
static int64_t
age_of_oldest_wait(const Identity *identity, int64_t now)
{
    if (list_is_empty(&identity->waits)) {
        return 0;
    }
    int64_t age = now - wait_of(identity->waits.next)->started;
    return age > 0 ? age : 0;
}

static PyObject *
identity_read(const Identity *identity, int64_t now)
{
    /* Read first, since building the row can run finalizers that begin and end waits. */
    Py_ssize_t waiting = identity->waiting;
    int64_t oldest_wait_ns = age_of_oldest_wait(identity, now);
    /* LockRow */
    return Py_BuildValue("OsOnKKKNNnL", identity->name, kind_name(identity->kind), identity->location,
                         identity->live, identity->acquisitions, identity->contentions, identity->timeouts,
                         histogram_read(identity->wait), histogram_read(identity->hold), waiting,
                         oldest_wait_ns);
}

/* No lock of it exists, and nothing happened to one since everything was zeroed. */
static bool
is_unused(const Identity *identity)
{
    return identity->live == 0 && identity->acquisitions == 0 && identity->wait == NULL;
}

static PyObject *
read_locks(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *rows = PyList_New(0);
    int64_t now = monotonic_ns();
    for (Py_ssize_t i = 0; rows != NULL && i < identity_count; i++) {
        if (is_unused(identities[i])) {
            continue;
        }
        PyObject *row = identity_read(identities[i], now);
        rows = rows_with(rows, row);
    }
    return rows;
}

PyMethodDef identities_functions[] = {
    {"read_locks", read_locks, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
