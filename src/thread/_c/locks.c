/* Lock. */
#include "locks.h"
#include "acquiring.h"
#include "lock_arguments.h"
#include "lock_types.h"
#include "naming.h"
#include "waiters.h"

#include <stddef.h>

/* ---- acquiring and releasing ---- */

NOINLINE static PyObject *
lock_enter_contended(Mutex *mutex)
{
    return acquired_or_error(mutex_acquire_contended(mutex, FOREVER));
}

static PyObject *
lock_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Mutex *mutex = (Mutex *)self;
    if (UNLIKELY(mutex_word(mutex) != FREE)) {
        return lock_enter_contended(mutex);
    }
    mutex_acquired(mutex, this_thread());
    Py_RETURN_TRUE;
}

NOINLINE static PyObject *
lock_acquire_with(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    int64_t timeout_ns;
    if (parse_acquire(args, nargs, kwnames, &timeout_ns) < 0) {
        return NULL;
    }
    return acquired_or_error(mutex_acquire((Mutex *)self, timeout_ns));
}

static PyObject *
lock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return LIKELY(nargs == 0 && kwnames == NULL) ? lock_enter(self, NULL)
                                                 : lock_acquire_with(self, args, nargs, kwnames);
}

static PyObject *
lock_release(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Mutex *mutex = (Mutex *)self;
    return LIKELY(mutex_word(mutex) != FREE) ? mutex_release(mutex) : release_unlocked();
}

static PyObject *
lock_exit(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    return lock_release(self, NULL);
}

/* ---- creating and dropping ---- */

/* Locks that were dropped, linked by `weakrefs`, for the next to be created: programs that make a lock for each
 * object or message make and drop them in turn. Debug builds of the interpreter want to see each one freed. */
#ifdef Py_DEBUG
#define SPARE_LOCKS 0
#else
#define SPARE_LOCKS 128
#endif

static Mutex *spare_locks = NULL;
static int spare_lock_count = 0;

static Mutex *
lock_allocate(void)
{
    Mutex *mutex = spare_locks;
    if (mutex == NULL) {
        return PyObject_New(Mutex, &LockType);
    }
    spare_locks = (Mutex *)mutex->weakrefs;
    spare_lock_count--;
    return (Mutex *)PyObject_Init((PyObject *)mutex, &LockType);
}

static void
lock_free(Mutex *mutex)
{
    if (spare_lock_count >= SPARE_LOCKS) {
        PyObject_Free(mutex);
        return;
    }
    mutex->weakrefs = (PyObject *)spare_locks;
    spare_locks = mutex;
    spare_lock_count++;
}

static void
lock_dealloc(PyObject *self)
{
    mutex_drop((Mutex *)self);
    lock_free((Mutex *)self);
}

static PyObject *
lock_create(PyObject *name)
{
    Identity *identity = identity_created(KIND_LOCK, name);
    Mutex *mutex = identity == NULL ? NULL : lock_allocate();
    if (mutex != NULL) {
        mutex_init(mutex, identity);
    }
    return (PyObject *)mutex;
}

static PyObject *
allocate_lock(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *name;
    if (parse_creation(raw_allocate_lock, args, nargs, kwnames, &name) < 0) {
        return NULL;
    }
    return lock_create(name);
}

#if PY_VERSION_HEX >= 0x030D0000
static PyTypeObject *raw_lock_type;

static PyObject *
lock_vectorcall(PyObject *Py_UNUSED(type), PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *name;
    if (parse_creation((PyObject *)raw_lock_type, args, PyVectorcall_NARGS(nargsf), kwnames, &name) < 0) {
        return NULL;
    }
    return lock_create(name);
}

static PyObject *
lock_new(PyTypeObject *Py_UNUSED(type), PyObject *args, PyObject *kwargs)
{
    return check_creation((PyObject *)raw_lock_type, args, kwargs) < 0 ? NULL : lock_create(NULL);
}
#endif

/* ---- the type ---- */

static PyObject *
lock_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<%s %s object at %p>", mutex_owner((Mutex *)self) != 0 ? "locked" : "unlocked",
                                Py_TYPE(self)->tp_name, self);
}

PyDoc_STRVAR(acquire_doc, "acquire" ACQUIRE_SIGNATURE
"Lock the lock and return whether it was acquired.\n\n"
"Waits for as long as it takes, timeout seconds at most if given, not at all\n"
"unless blocking. The wait is interruptible.");
PyDoc_STRVAR(acquire_lock_doc, "acquire_lock" ACQUIRE_SIGNATURE "An obsolete synonym of acquire().");
PyDoc_STRVAR(release_doc, "release($self, /)\n--\n\n"
"Release the lock, which need not have been acquired by this thread.\n\n"
"RuntimeError if it is unlocked.");
PyDoc_STRVAR(release_lock_doc, "release_lock($self, /)\n--\n\nAn obsolete synonym of release().");
PyDoc_STRVAR(locked_lock_doc, "locked_lock($self, /)\n--\n\nAn obsolete synonym of locked().");


/* Up to 3.12 the type could not be called. */
#if PY_VERSION_HEX >= 0x030D0000
#define LOCK_SIGNATURE "lock(*, name=None)\n--\n\n"
#else
#define LOCK_SIGNATURE ""
#endif

PyDoc_STRVAR(lock_doc, LOCK_SIGNATURE
"A lock object is a synchronization primitive: acquired by one thread at a\n"
"time, released by any.\n\n"
"acquire() -- lock the lock, possibly blocking until it can be obtained\n"
"release() -- unlock of the lock\n"
"locked() -- test whether the lock is currently locked");

static PyMethodDef lock_methods[] = {
    {"acquire_lock", FAST_WITH_KEYWORDS(lock_acquire), acquire_lock_doc},
    {"acquire", FAST_WITH_KEYWORDS(lock_acquire), acquire_doc},
    {"release_lock", lock_release, METH_NOARGS, release_lock_doc},
    {"release", lock_release, METH_NOARGS, release_doc},
    {"locked_lock", mutex_locked, METH_NOARGS, locked_lock_doc},
    {"locked", mutex_locked, METH_NOARGS, LOCKED_DOC},
    {"__enter__", lock_enter, METH_NOARGS, ENTER_DOC},
    {"__exit__", FAST(lock_exit), EXIT_DOC},
    {"_at_fork_reinit", mutex_at_fork_reinit, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject LockType = {
    PyVarObject_HEAD_INIT(&LockMetaType, 0)
    .tp_name = "_thread.lock",
    .tp_basicsize = sizeof(Mutex),
    .tp_dealloc = lock_dealloc,
    .tp_repr = lock_repr,
    .tp_doc = lock_doc,
    .tp_methods = lock_methods,
    .tp_getset = lock_type_attributes,
    .tp_weaklistoffset = offsetof(Mutex, weakrefs),
#if PY_VERSION_HEX >= 0x030D0000
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = lock_new,
    .tp_vectorcall = lock_vectorcall,
#else
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
#endif
};

PyDoc_STRVAR(allocate_lock_doc,
"allocate_lock($module, /, *, name=None)\n--\n\n"
"Create a new lock object, initially unlocked.\n\n"
"name is what its acquisitions and waits are recorded under; without it, the\n"
"place that creates the lock.");

PyMethodDef public_locks_functions[] = {
    {"allocate_lock", FAST_WITH_KEYWORDS(allocate_lock), allocate_lock_doc},
    {NULL, NULL, 0, NULL},
};

int
locks_init(void)
{
    PyTypeObject *own = lock_type_ready(&LockType, "LockType");
#if PY_VERSION_HEX >= 0x030D0000
    raw_lock_type = own;
#endif
    return own == NULL ? -1 : 0;
}
