/* The names of locks, for telemetry.named. */
#include "renaming.h"
#include "locks.h"
#include "rlocks.h"
#include "runtime.h"
#include "semaphores.h"
#include "waiters.h"

static Mutex *
mutex_from(PyObject *lock)
{
    bool is_mutex = PyObject_TypeCheck(lock, &LockType) || PyObject_TypeCheck(lock, &RLockType) ||
                    PyObject_TypeCheck(lock, &SemaphoreRecordType);
    return is_mutex ? (Mutex *)lock : NULL;
}

static PyObject *
object_name(PyObject *Py_UNUSED(module), PyObject *lock)
{
    const Mutex *mutex = mutex_from(lock);
    if (mutex == NULL || mutex->identity == &unobserved_identity) {
        Py_RETURN_NONE;
    }
    return Py_NewRef(mutex->identity->object_name);
}

/* Where the object was made that a lock is a part of, as `file:line`. */
static PyObject *
object_location(PyObject *Py_UNUSED(module), PyObject *lock)
{
    const Mutex *mutex = mutex_from(lock);
    if (mutex == NULL || mutex->identity == &unobserved_identity) {
        Py_RETURN_NONE;
    }
    return Py_NewRef(mutex->identity->location);
}

/* A wait in progress is recorded under the name that the lock has when it ends. */
static PyObject *
rename_mutex(Mutex *mutex, PyObject *given)
{
    PyObject *name = PyUnicode_FromObject(given);
    Identity *identity = name == NULL ? NULL : identity_renamed(mutex->identity, name);
    Py_XDECREF(name);
    if (identity == NULL) {
        return absorb_internal_error() ? Py_NewRef(Py_None) : NULL;
    }
    mutex_set_identity(mutex, identity);
    Py_RETURN_NONE;
}

static PyObject *
rename_lock(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *lock, *name;
    if (!PyArg_ParseTuple(args, "OO:rename", &lock, &name)) {
        return NULL;
    }
    Mutex *mutex = mutex_from(lock);
    if (mutex == NULL) {
        PyErr_Format(PyExc_TypeError, "expected an observed lock, got %.100s", Py_TYPE(lock)->tp_name);
        return NULL;
    }
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "a lock's name must be a str, not %.100s", Py_TYPE(name)->tp_name);
        return NULL;
    }
    return rename_mutex(mutex, name);
}

PyMethodDef renaming_functions[] = {
    {"object_name", object_name, METH_O, NULL},
    {"object_location", object_location, METH_O, NULL},
    {"rename", rename_lock, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
