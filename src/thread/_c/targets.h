/* The totals of all threads that run the same function. */
#ifndef THREAD_TARGETS_H
#define THREAD_TARGETS_H

#include "histogram.h"

typedef struct Target {
    struct Target *next;
    PyObject *name;
    uint64_t started;
    uint64_t finished;
    Sum cpu_time_ns; /* of those finished */
    Histogram *start_delay;
    Histogram *lifetime;
} Target;

/* Whether a function may be the bound method `_bootstrap` of a `threading.Thread`, or a debugger's wrapper of it. */
bool may_start_untracked_thread(PyObject *function);

/* The target of a function; `name` is the one it was given, or NULL. NULL with an exception set. */
Target *target_of(PyObject *function, PyObject *name);

int targets_init(void);
void targets_reset(void);

extern PyMethodDef targets_functions[];

#endif
