/* RLock. */
#include "rlocks.h"
#include "acquiring.h"
#include "lock_arguments.h"
#include "lock_types.h"
#include "naming.h"
#include "waits.h"

#include <limits.h>
#include <stddef.h>

static PyTypeObject *raw_rlock_type;

/* ---- acquiring and releasing ---- */

static int
rlock_reenter(Mutex *mutex)
{
    if (mutex->depth == ULONG_MAX) {
        PyErr_SetString(PyExc_OverflowError, "Internal lock count overflowed");
        return -1;
    }
    mutex->depth++;
    return 1;
}

static int
rlock_acquire_for(Mutex *mutex, int64_t timeout_ns)
{
    if (mutex_word(mutex) == this_thread()) {
        return rlock_reenter(mutex);
    }
    int acquired = mutex_acquire(mutex, timeout_ns);
    if (acquired > 0) {
        mutex->depth = 1;
    }
    return acquired;
}

NOINLINE static PyObject *
rlock_enter_contended(Mutex *mutex)
{
    return acquired_or_error(rlock_acquire_for(mutex, FOREVER));
}

static PyObject *
rlock_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Mutex *mutex = (Mutex *)self;
    if (UNLIKELY(mutex_word(mutex) != FREE)) {
        return rlock_enter_contended(mutex);
    }
    mutex->depth = 1;
    mutex_acquired(mutex, this_thread());
    Py_RETURN_TRUE;
}

NOINLINE static PyObject *
rlock_acquire_with(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    int64_t timeout_ns;
    if (parse_acquire(args, nargs, kwnames, &timeout_ns) < 0) {
        return NULL;
    }
    return acquired_or_error(rlock_acquire_for((Mutex *)self, timeout_ns));
}

static PyObject *
rlock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return LIKELY(nargs == 0 && kwnames == NULL) ? rlock_enter(self, NULL)
                                                 : rlock_acquire_with(self, args, nargs, kwnames);
}

static inline bool
is_owned_by_this_thread(Mutex *mutex)
{
    return mutex_word(mutex) == this_thread();
}

NOINLINE static PyObject *
release_unowned(void)
{
    PyErr_SetString(PyExc_RuntimeError, "cannot release un-acquired lock");
    return NULL;
}

static PyObject *
rlock_release(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Mutex *mutex = (Mutex *)self;
    if (UNLIKELY(!is_owned_by_this_thread(mutex))) {
        return release_unowned();
    }
    if (UNLIKELY(--mutex->depth != 0)) {
        Py_RETURN_NONE;
    }
    return mutex_release(mutex);
}

static PyObject *
rlock_exit(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    return rlock_release(self, NULL);
}

static PyObject *
rlock_is_owned(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(is_owned_by_this_thread((Mutex *)self));
}

static PyObject *
rlock_recursion_count(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Mutex *mutex = (Mutex *)self;
    return PyLong_FromUnsignedLong(is_owned_by_this_thread(mutex) ? mutex->depth : 0);
}

/* ---- for Condition ---- */

static PyObject *
rlock_release_save(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Mutex *mutex = (Mutex *)self;
#if PY_VERSION_HEX >= 0x030E0000
    bool releasable = is_owned_by_this_thread(mutex);
#else
    bool releasable = mutex_owner(mutex) != 0; /* any thread may, as with the interpreter's own */
#endif
    if (!releasable) {
        return release_unowned();
    }
    PyObject *state = Py_BuildValue("(kk)", mutex->depth, mutex_owner(mutex));
    if (state != NULL) {
        mutex->depth = 0;
        Py_DECREF(mutex_release(mutex));
    }
    return state;
}

static PyObject *
rlock_acquire_restore(PyObject *self, PyObject *args)
{
    Mutex *mutex = (Mutex *)self;
    unsigned long depth, owner;
    if (!PyArg_ParseTuple(args, "(kk):_acquire_restore", &depth, &owner)) {
        return NULL;
    }
    /* Condition.wait must not return without its lock, so no signal handler can end this wait. */
    if (mutex_word(mutex) == FREE) {
        mutex_set_word(mutex, this_thread());
    }
    else if (!mutex_take_offered(mutex) && mutex_wait(mutex, FOREVER, false, false) != WAIT_ACQUIRED) {
        return NULL;
    }
    mutex_count_acquisition(mutex);
    mutex->depth = depth;
    if (owner == FREE) {
        return mutex_release(mutex); /* dill restores the state of a free lock, too */
    }
    mutex_set_word(mutex, owner);
    Py_RETURN_NONE;
}

/* ---- creating and dropping ---- */

static PyObject *
rlock_create(PyTypeObject *type, PyObject *name)
{
    Identity *identity = identity_created(KIND_RLOCK, name);
    Mutex *mutex = identity == NULL ? NULL : (Mutex *)type->tp_alloc(type, 0);
    if (mutex != NULL) {
        mutex_init(mutex, identity);
    }
    return (PyObject *)mutex;
}

static void
rlock_dealloc(PyObject *self)
{
    mutex_drop((Mutex *)self);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *
rlock_vectorcall(PyObject *Py_UNUSED(type), PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *name;
    if (parse_creation((PyObject *)raw_rlock_type, args, PyVectorcall_NARGS(nargsf), kwnames, &name) < 0) {
        return NULL;
    }
    return rlock_create(&RLockType, name);
}

/* A subclass may take any arguments; since 3.15 only one that has an `__init__` of its own. */
static bool
takes_any_arguments(const PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030F0000
    return type->tp_init != RLockType.tp_init;
#else
    return type != &RLockType;
#endif
}

static PyObject *
rlock_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (takes_any_arguments(type)) {
        return rlock_create(type, NULL);
    }
    return check_creation((PyObject *)raw_rlock_type, args, kwargs) < 0 ? NULL : rlock_create(type, NULL);
}

/* ---- the type ---- */

static PyObject *
rlock_repr(PyObject *self)
{
    Mutex *mutex = (Mutex *)self;
    return PyUnicode_FromFormat("<%s %s object owner=%ld count=%lu at %p>",
                                mutex_owner(mutex) != 0 ? "locked" : "unlocked", Py_TYPE(self)->tp_name,
                                (long)mutex_owner(mutex), mutex_owner(mutex) != 0 ? mutex->depth : 0, self);
}

PyDoc_STRVAR(rlock_acquire_doc, "acquire" ACQUIRE_SIGNATURE
"Lock the lock, once more if this thread owns it, and return whether it was\n"
"acquired.\n\n"
"Waits for as long as it takes, timeout seconds at most if given, not at all\n"
"unless blocking. The wait is interruptible.");
PyDoc_STRVAR(rlock_release_doc, "release($self, /)\n--\n\n"
"Release the lock once. RuntimeError unless this thread owns it.");
PyDoc_STRVAR(rlock_doc, "RLock(*, name=None)\n--\n\n"
"A re-entrant lock: its owner may acquire it again, and must release it as\n"
"often.");

static PyMethodDef rlock_methods[] = {
    {"acquire", FAST_WITH_KEYWORDS(rlock_acquire), rlock_acquire_doc},
    {"release", rlock_release, METH_NOARGS, rlock_release_doc},
#if PY_VERSION_HEX >= 0x030E0000
    {"locked", mutex_locked, METH_NOARGS, LOCKED_DOC},
#endif
    {"__enter__", rlock_enter, METH_NOARGS, ENTER_DOC},
    {"__exit__", FAST(rlock_exit), EXIT_DOC},
    {"_is_owned", rlock_is_owned, METH_NOARGS, NULL},
    {"_recursion_count", rlock_recursion_count, METH_NOARGS, NULL},
    {"_acquire_restore", rlock_acquire_restore, METH_VARARGS, NULL},
    {"_release_save", rlock_release_save, METH_NOARGS, NULL},
    {"_at_fork_reinit", mutex_at_fork_reinit, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject RLockType = {
    PyVarObject_HEAD_INIT(&LockMetaType, 0)
    .tp_name = "_thread.RLock",
    .tp_basicsize = sizeof(Mutex),
    .tp_dealloc = rlock_dealloc,
    .tp_repr = rlock_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = rlock_doc,
    .tp_methods = rlock_methods,
    .tp_getset = lock_type_attributes,
    .tp_weaklistoffset = offsetof(Mutex, weakrefs),
    .tp_new = rlock_new,
    .tp_vectorcall = rlock_vectorcall,
};

int
rlocks_init(void)
{
    raw_rlock_type = lock_type_ready(&RLockType, "RLock");
    return raw_rlock_type == NULL ? -1 : 0;
}
