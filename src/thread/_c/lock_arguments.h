/* The arguments of acquire(blocking=True, timeout=-1) and of constructors of locks. */
#ifndef THREAD_LOCK_ARGUMENTS_H
#define THREAD_LOCK_ARGUMENTS_H

#include "runtime.h"

/* Nanoseconds to wait, FOREVER, or 0: not at all. -1 with an exception set. */
int parse_acquire_general(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t *timeout_ns);

static inline int
parse_acquire(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t *timeout_ns)
{
    if (kwnames == NULL && nargs == 1 && PyBool_Check(args[0])) {
        *timeout_ns = args[0] == Py_True ? FOREVER : 0;
        return 0;
    }
    return parse_acquire_general(args, nargs, kwnames, timeout_ns);
}

/* The name that a lock is given, or NULL. `own` is the interpreter's own constructor. -1 with an exception set. */
int parse_creation(PyObject *own, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **name);
/* The same for `__new__` called by hand, which takes no name. */
int check_creation(PyObject *own, PyObject *args, PyObject *kwargs);

extern PyObject *raw_allocate_lock; /* the interpreter's own */

int lock_arguments_init(void);

#endif
