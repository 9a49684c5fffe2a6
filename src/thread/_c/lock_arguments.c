/* The arguments of acquire(blocking=True, timeout=-1) and of constructors of locks.
 *
 * Unusual ones are left to the interpreter's own locks, so that errors are its errors on each version. */
#include "lock_arguments.h"

PyObject *raw_allocate_lock;

/* ---- acquire ---- */

static int
check_by_interpreter(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *lock = PyObject_CallNoArgs(raw_allocate_lock);
    PyObject *acquire = lock == NULL ? NULL : PyObject_GetAttrString(lock, "acquire");
    PyObject *result = acquire == NULL ? NULL : PyObject_Vectorcall(acquire, args, (size_t)nargs, kwnames);
    Py_XDECREF(lock);
    Py_XDECREF(acquire);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Both arguments, NULL if not given. False if the interpreter's own lock has to judge. */
static bool
arguments_of_acquire(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **blocking,
                     PyObject **timeout)
{
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    *blocking = nargs > 0 ? args[0] : NULL;
    *timeout = nargs > 1 ? args[1] : NULL;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
        bool is_timeout = PyUnicode_CompareWithASCIIString(keyword, "timeout") == 0;
        PyObject **argument = is_timeout ? timeout : blocking;
        if (*argument != NULL || (!is_timeout && PyUnicode_CompareWithASCIIString(keyword, "blocking") != 0)) {
            return false;
        }
        *argument = args[nargs + i];
    }
    return nargs <= 2;
}

#define LONGEST_TIMEOUT 9.2e9 /* the interpreter judges longer ones, which last for ever if it accepts them */

static int64_t
nanoseconds_of(bool waits, double seconds)
{
    if (!waits) {
        return 0;
    }
    return seconds < 0.0 || seconds >= LONGEST_TIMEOUT ? FOREVER : (int64_t)(seconds * 1e9);
}

/* A number of seconds that takes no Python code to read, -1 if it is not given. */
static bool
plain_seconds(PyObject *timeout, double *seconds)
{
    int overflow = 0;
    if (timeout == NULL) {
        *seconds = -1.0;
    }
    else if (PyFloat_CheckExact(timeout)) {
        *seconds = PyFloat_AS_DOUBLE(timeout);
    }
    else if (PyLong_CheckExact(timeout)) {
        *seconds = (double)PyLong_AsLongAndOverflow(timeout, &overflow);
    }
    else {
        return false;
    }
    return overflow == 0 && (*seconds == -1.0 || (*seconds >= 0.0 && *seconds < LONGEST_TIMEOUT));
}

/* The usual arguments, read without an allocation: an acquisition must not fail because memory is short. */
static bool
parse_plain_arguments(PyObject *blocking, PyObject *timeout, int64_t *timeout_ns)
{
    double seconds;
    if ((blocking != NULL && !PyBool_Check(blocking)) || !plain_seconds(timeout, &seconds)) {
        return false;
    }
    bool waits = blocking != Py_False;
    if (!waits && seconds != -1.0) {
        return false;
    }
    *timeout_ns = nanoseconds_of(waits, seconds);
    return true;
}

static int
timeout_from(PyObject *blocking, PyObject *timeout, int64_t *timeout_ns)
{
    int waits = blocking == NULL ? 1 : PyObject_IsTrue(blocking);
    double seconds = timeout == NULL ? -1.0 : PyFloat_AsDouble(timeout);
    if (waits < 0 || (seconds == -1.0 && PyErr_Occurred())) {
        return -1;
    }
    *timeout_ns = nanoseconds_of(waits != 0, seconds);
    return 0;
}

NOINLINE int
parse_acquire_general(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t *timeout_ns)
{
    PyObject *blocking, *timeout;
    bool understood = arguments_of_acquire(args, nargs, kwnames, &blocking, &timeout);
    if (understood && parse_plain_arguments(blocking, timeout, timeout_ns)) {
        return 0;
    }
    if (check_by_interpreter(args, nargs, kwnames) < 0) {
        return -1;
    }
    return timeout_from(blocking, timeout, timeout_ns);
}

/* ---- creation ---- */

/* Whether the only argument is `name=`, which the interpreter's own types do not have. */
static bool
only_name_given(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **name)
{
    if (nargs != 0 || PyTuple_GET_SIZE(kwnames) != 1 ||
        PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "name") != 0) {
        return false;
    }
    *name = args[0];
    return true;
}

/* The interpreter's own constructor raises its own errors; arguments that it accepts are accepted here. */
int
parse_creation(PyObject *own, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **name)
{
    *name = NULL;
    if (nargs == 0 && (kwnames == NULL || PyTuple_GET_SIZE(kwnames) == 0)) {
        return 0;
    }
    if (kwnames != NULL && only_name_given(args, nargs, kwnames, name)) {
        return check_name(name, "lock");
    }
    PyObject *judged = PyObject_Vectorcall(own, args, (size_t)nargs, kwnames);
    Py_XDECREF(judged);
    return judged == NULL ? -1 : 0;
}

int
check_creation(PyObject *own, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) == 0 && (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0)) {
        return 0;
    }
    PyObject *judged = PyObject_Call(own, args, kwargs);
    Py_XDECREF(judged);
    return judged == NULL ? -1 : 0;
}

int
lock_arguments_init(void)
{
    raw_allocate_lock = attribute_of_module("_thread", "allocate_lock");
    return raw_allocate_lock == NULL ? -1 : 0;
}
