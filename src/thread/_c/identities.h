/* The totals of all locks of one name or creation site. */
#ifndef THREAD_IDENTITIES_H
#define THREAD_IDENTITIES_H

#include "histogram.h"
#include "list.h"

typedef enum { KIND_LOCK, KIND_RLOCK, KIND_SEMAPHORE, KIND_BOUNDED_SEMAPHORE, KIND_COUNT } Kind;

/* A wait for a lock, which the identity of the lock lists. */
typedef struct {
    Link link;
    int64_t started;
} Wait;

typedef struct {
    uint64_t acquisitions;
    uint64_t next_sample; /* the acquisition whose hold will be timed */
    uint64_t contentions;
    uint64_t timeouts;
    Py_ssize_t live;
    Histogram *wait;
    Histogram *hold;
    PyObject *name;
    PyObject *object_name; /* the beginning of `name`: the object that the lock is a part of, or the lock itself */
    PyObject *location;
    Kind kind;
    Link waits; /* in progress, the oldest first */
    Py_ssize_t waiting;
} Identity;

#define NEVER UINT64_MAX

extern Identity unobserved_identity; /* of the telemetry's own locks, shown to nobody */

const char *kind_name(Kind kind);
Identity *identity_named(PyObject *name, Kind kind, PyObject *location, PyObject *object_name);
/* The identity of the same part of an object of that name. */
Identity *identity_renamed(Identity *identity, PyObject *object_name);
void identity_draw_next_sample(Identity *identity);
void identity_add_wait(Identity *identity, Wait *wait);
void identity_remove_wait(Identity *identity, Wait *wait);

int identities_init(void);
void identities_reset(void);

extern PyMethodDef identities_functions[];

#endif
