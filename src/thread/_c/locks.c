/* Lock and RLock.
 *
 * States of a mutex, all changes but one made with the GIL held:
 *
 *     word    | queue    | meaning
 *     --------+----------+------------------------------------------------------------------------------------
 *     FREE    | empty    | free
 *     ident   | empty    | held, nobody waits: releasing is one store
 *     ident   | waiters  | held: releasing wakes the first waiter, or makes it the owner where it is due
 *     OFFERED | waiters  | free: the first waiter was told and did not look yet; anybody may acquire
 *     TAKEN   | waiters  | the first waiter took it without the GIL: held by that one
 *
 * Under the GIL, acquiring is a check and a store; only waiters need a semaphore (waits.c). */
#include "core.h"

#include <limits.h>
#include <stddef.h>

static PyObject *raw_allocate_lock;
static PyTypeObject *raw_lock_type;
static PyTypeObject *raw_rlock_type;
static PyObject *class_of_object; /* the descriptor `object.__class__` */

/* ---- a mutex ---- */

NOINLINE static void
hold_begin(Mutex *mutex)
{
    identity_draw_next_sample(mutex->identity);
    mutex->hold_started = monotonic_ns();
}

NOINLINE static void
hold_end(Mutex *mutex)
{
    histogram_add(&mutex->identity->hold, monotonic_ns() - mutex->hold_started);
    mutex->hold_started = 0;
}

static inline void
mutex_count_acquisition(Mutex *mutex)
{
    Identity *identity = mutex->identity;
    if (UNLIKELY(++identity->acquisitions == identity->next_sample)) {
        hold_begin(mutex);
    }
}

static inline void
mutex_acquired(Mutex *mutex, unsigned long owner)
{
    mutex_set_word(mutex, owner);
    mutex_count_acquisition(mutex);
}

NOINLINE static PyObject *
release_unlocked(void)
{
    PyErr_SetString(PyExc_RuntimeError, "release unlocked lock");
    return NULL;
}

NOINLINE static PyObject *
mutex_release_eventful(Mutex *mutex)
{
    if (mutex_word(mutex) == OFFERED) {
        return release_unlocked();
    }
    if (mutex->hold_started != 0) {
        hold_end(mutex);
    }
    if (mutex->queue != NULL) {
        mutex_release_to_waiters(mutex);
    }
    else {
        mutex_set_word(mutex, FREE);
    }
    Py_RETURN_NONE;
}

/* Returns None, so that the compiler can leave the rare case by a jump. */
static inline PyObject *
mutex_release(Mutex *mutex)
{
    if (UNLIKELY(((uintptr_t)mutex->queue | (uint64_t)mutex->hold_started) != 0)) {
        return mutex_release_eventful(mutex);
    }
    mutex_set_word(mutex, FREE);
    Py_RETURN_NONE;
}

/* -1 with an exception set, 0: not acquired, 1: acquired */
static int
mutex_acquire_contended(Mutex *mutex, int64_t timeout_ns)
{
    if (mutex_take_offered(mutex)) {
        mutex_count_acquisition(mutex);
        return 1;
    }
    if (timeout_ns == 0) {
        return 0;
    }
    WaitOutcome outcome = mutex_wait(mutex, timeout_ns, true, !is_reacquisition());
    if (outcome == WAIT_ACQUIRED) {
        mutex_count_acquisition(mutex);
        return 1;
    }
    return outcome == WAIT_TIMED_OUT ? 0 : -1;
}

static void
mutex_reinitialize(Mutex *mutex)
{
    mutex_set_word(mutex, FREE);
    mutex->queue = NULL;
    mutex->hold_started = 0;
    mutex->depth = 0;
}

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

static Mutex *
mutex_new(PyTypeObject *type, Identity *identity)
{
    Mutex *mutex = type == &LockType ? lock_allocate() : (Mutex *)type->tp_alloc(type, 0);
    if (mutex != NULL) {
        mutex->weakrefs = NULL;
        mutex_reinitialize(mutex);
        mutex->identity = identity;
        identity->live++;
    }
    return mutex;
}

static void
mutex_dealloc(PyObject *self)
{
    Mutex *mutex = (Mutex *)self;
    if (mutex->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    mutex->identity->live--;
    if (Py_IS_TYPE(self, &LockType)) {
        lock_free(mutex);
    }
    else {
        Py_TYPE(self)->tp_free(self);
    }
}

NOINLINE static PyObject *
acquired_or_error(int acquired)
{
    return acquired < 0 ? NULL : PyBool_FromLong(acquired);
}

/* ---- arguments of acquire(blocking=True, timeout=-1) ---- */

/* Let the interpreter's own lock judge, so that errors are its errors on each version. */
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

/* Both arguments, NULL where they are not given. False where the interpreter's own lock has to judge. */
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

#define LONGEST_TIMEOUT 9.2e9 /* what is longer is judged by the interpreter, and lasts for ever if it accepts that */

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

/* The usual arguments, read without an allocation: an acquisition must not fail for want of memory. */
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
    *timeout_ns = !waits ? 0 : seconds == -1.0 ? FOREVER : (int64_t)(seconds * 1e9);
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
    *timeout_ns = !waits                                             ? 0
                  : seconds < 0.0 || seconds >= LONGEST_TIMEOUT ? FOREVER
                                                                     : (int64_t)(seconds * 1e9);
    return 0;
}

NOINLINE static int
parse_acquire_slowly(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t *timeout_ns)
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

static int
parse_acquire(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t *timeout_ns)
{
    if (kwnames == NULL && nargs == 1 && PyBool_Check(args[0])) {
        *timeout_ns = args[0] == Py_True ? FOREVER : 0;
        return 0;
    }
    return parse_acquire_slowly(args, nargs, kwnames, timeout_ns);
}

/* ---- Lock ---- */

static inline int
lock_acquire_for(Mutex *mutex, int64_t timeout_ns)
{
    if (LIKELY(mutex_word(mutex) == FREE)) {
        mutex_acquired(mutex, this_thread());
        return 1;
    }
    return mutex_acquire_contended(mutex, timeout_ns);
}

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
    return acquired_or_error(lock_acquire_for((Mutex *)self, timeout_ns));
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

static PyObject *
lock_locked(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(mutex_owner((Mutex *)self) != 0);
}

static PyObject *
mutex_at_fork_reinit(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    mutex_reinitialize((Mutex *)self);
    Py_RETURN_NONE;
}

static PyObject *
lock_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<%s %s object at %p>", mutex_owner((Mutex *)self) != 0 ? "locked" : "unlocked",
                                Py_TYPE(self)->tp_name, self);
}

#define ACQUIRE_SIGNATURE "($self, /, blocking=True, timeout=-1)\n--\n\n"

PyDoc_STRVAR(acquire_doc, "acquire" ACQUIRE_SIGNATURE
"Lock the lock and return whether it was acquired.\n\n"
"Waits for as long as it takes, timeout seconds at most if given, not at all\n"
"unless blocking. The wait is interruptible.");
PyDoc_STRVAR(acquire_lock_doc, "acquire_lock" ACQUIRE_SIGNATURE "An obsolete synonym of acquire().");
PyDoc_STRVAR(release_doc, "release($self, /)\n--\n\n"
"Release the lock, which need not have been acquired by this thread.\n\n"
"RuntimeError if it is unlocked.");
PyDoc_STRVAR(release_lock_doc, "release_lock($self, /)\n--\n\nAn obsolete synonym of release().");
PyDoc_STRVAR(locked_doc, "locked($self, /)\n--\n\nWhether somebody holds the lock.");
PyDoc_STRVAR(locked_lock_doc, "locked_lock($self, /)\n--\n\nAn obsolete synonym of locked().");
PyDoc_STRVAR(enter_doc, "__enter__($self, /)\n--\n\nLock the lock.");
PyDoc_STRVAR(exit_doc, "__exit__($self, /, *exc_info)\n--\n\nRelease the lock.");

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

#define FAST(function) ((PyCFunction)(void (*)(void))(function)), METH_FASTCALL

static PyMethodDef lock_methods[] = {
    {"acquire_lock", FAST_WITH_KEYWORDS(lock_acquire), acquire_lock_doc},
    {"acquire", FAST_WITH_KEYWORDS(lock_acquire), acquire_doc},
    {"release_lock", lock_release, METH_NOARGS, release_lock_doc},
    {"release", lock_release, METH_NOARGS, release_doc},
    {"locked_lock", lock_locked, METH_NOARGS, locked_lock_doc},
    {"locked", lock_locked, METH_NOARGS, locked_doc},
    {"__enter__", lock_enter, METH_NOARGS, enter_doc},
    {"__exit__", FAST(lock_exit), exit_doc},
    {"_at_fork_reinit", mutex_at_fork_reinit, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* ---- passing for the interpreter's own ----
 *
 * A program may have got hold of the interpreter's types before observation began, and of locks of these types. Its
 * `isinstance` and `functools.singledispatch` are to go on as before, with locks and types of either sort:
 *
 *     the type in hand | the lock's type | isinstance is true because of
 *     -----------------+-----------------+--------------------------------------
 *     interpreter's    | ours            | `__class__`, which names the interpreter's
 *     ours             | interpreter's   | the metaclass of both types
 */

static PyObject *
mutex_class(PyObject *self, void *Py_UNUSED(closure))
{
    PyTypeObject *type = Py_TYPE(self);
    return Py_NewRef(type == &LockType ? raw_lock_type : type == &RLockType ? raw_rlock_type : type);
}

static int
mutex_set_class(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    return Py_TYPE(class_of_object)->tp_descr_set(class_of_object, self, value);
}

static PyGetSetDef mutex_getset[] = {
    {"__class__", mutex_class, mutex_set_class, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static bool
passes_for(PyTypeObject *type, PyObject *wanted)
{
    PyTypeObject *own = wanted == (PyObject *)&LockType    ? raw_lock_type
                        : wanted == (PyObject *)&RLockType ? raw_rlock_type
                                                           : NULL;
    return PyType_IsSubtype(type, (PyTypeObject *)wanted) || (own != NULL && PyType_IsSubtype(type, own));
}

static PyObject *
lock_meta_instancecheck(PyObject *self, PyObject *instance)
{
    if (passes_for(Py_TYPE(instance), self)) {
        Py_RETURN_TRUE;
    }
    /* What says of itself that it is one, a mock for example. */
    PyObject *class = PyObject_GetAttrString(instance, "__class__");
    if (class == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return NULL;
        }
        PyErr_Clear();
        Py_RETURN_FALSE;
    }
    bool result = PyType_Check(class) && passes_for((PyTypeObject *)class, self);
    Py_DECREF(class);
    return PyBool_FromLong(result);
}

static PyObject *
lock_meta_subclasscheck(PyObject *self, PyObject *subclass)
{
    if (!PyType_Check(subclass)) {
        PyErr_SetString(PyExc_TypeError, "issubclass() arg 1 must be a class");
        return NULL;
    }
    return PyBool_FromLong(passes_for((PyTypeObject *)subclass, self));
}

static PyMethodDef lock_meta_methods[] = {
    {"__instancecheck__", lock_meta_instancecheck, METH_O, NULL},
    {"__subclasscheck__", lock_meta_subclasscheck, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject LockMetaType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "thread._core.LockMeta",
    .tp_base = &PyType_Type,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_methods = lock_meta_methods,
};

/* ---- creating ---- */

int
check_name(PyObject **name, const char *whose)
{
    if (*name == Py_None) {
        *name = NULL;
    }
    if (*name != NULL && !PyUnicode_Check(*name)) {
        PyErr_Format(PyExc_TypeError, "a %s's name must be a str or None, not %.100s", whose, Py_TYPE(*name)->tp_name);
        return -1;
    }
    if (*name != NULL && PyUnicode_GET_LENGTH(*name) == 0) {
        *name = NULL;
    }
    return 0;
}

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

/* The interpreter's own constructor raises its own errors; what it accepts is accepted here. */
static int
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

static PyObject *
mutex_create(PyTypeObject *type, Kind kind, PyObject *name)
{
    Identity *identity = identity_created(kind, name);
    return identity == NULL ? NULL : (PyObject *)mutex_new(type, identity);
}

PyObject *
allocate_lock(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *name;
    if (parse_creation(raw_allocate_lock, args, nargs, kwnames, &name) < 0) {
        return NULL;
    }
    return mutex_create(&LockType, KIND_LOCK, name);
}


/* What `__new__` gets when it is called by hand: no `name=`, and the interpreter's own type to judge the rest. */
static PyObject *
create_by_new(PyTypeObject *type, Kind kind, PyObject *own, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) != 0 || (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0)) {
        PyObject *judged = PyObject_Call(own, args, kwargs);
        if (judged == NULL) {
            return NULL;
        }
        Py_DECREF(judged);
    }
    return mutex_create(type, kind, NULL);
}

#if PY_VERSION_HEX >= 0x030D0000
static PyObject *
lock_vectorcall(PyObject *Py_UNUSED(type), PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *name;
    if (parse_creation((PyObject *)raw_lock_type, args, PyVectorcall_NARGS(nargsf), kwnames, &name) < 0) {
        return NULL;
    }
    return mutex_create(&LockType, KIND_LOCK, name);
}

static PyObject *
lock_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return create_by_new(type, KIND_LOCK, (PyObject *)raw_lock_type, args, kwargs);
}
#endif

PyTypeObject LockType = {
    PyVarObject_HEAD_INIT(&LockMetaType, 0)
    .tp_name = "_thread.lock",
    .tp_basicsize = sizeof(Mutex),
    .tp_dealloc = mutex_dealloc,
    .tp_repr = lock_repr,
    .tp_doc = lock_doc,
    .tp_methods = lock_methods,
    .tp_getset = mutex_getset,
    .tp_weaklistoffset = offsetof(Mutex, weakrefs),
#if PY_VERSION_HEX >= 0x030D0000
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = lock_new,
    .tp_vectorcall = lock_vectorcall,
#else
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
#endif
};

/* ---- RLock ---- */

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
    int acquired = lock_acquire_for(mutex, timeout_ns);
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
    {"locked", lock_locked, METH_NOARGS, locked_doc},
#endif
    {"__enter__", rlock_enter, METH_NOARGS, enter_doc},
    {"__exit__", FAST(rlock_exit), exit_doc},
    {"_is_owned", rlock_is_owned, METH_NOARGS, NULL},
    {"_recursion_count", rlock_recursion_count, METH_NOARGS, NULL},
    {"_acquire_restore", rlock_acquire_restore, METH_VARARGS, NULL},
    {"_release_save", rlock_release_save, METH_NOARGS, NULL},
    {"_at_fork_reinit", mutex_at_fork_reinit, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyObject *
rlock_vectorcall(PyObject *Py_UNUSED(type), PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *name;
    if (parse_creation((PyObject *)raw_rlock_type, args, PyVectorcall_NARGS(nargsf), kwnames, &name) < 0) {
        return NULL;
    }
    return mutex_create(&RLockType, KIND_RLOCK, name);
}

/* The arguments of a subclass are its own affair; since 3.15 only of one that has an `__init__` of its own. */
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
        return mutex_create(type, KIND_RLOCK, NULL);
    }
    return create_by_new(type, KIND_RLOCK, (PyObject *)raw_rlock_type, args, kwargs);
}

PyTypeObject RLockType = {
    PyVarObject_HEAD_INIT(&LockMetaType, 0)
    .tp_name = "_thread.RLock",
    .tp_basicsize = sizeof(Mutex),
    .tp_dealloc = mutex_dealloc,
    .tp_repr = rlock_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = rlock_doc,
    .tp_methods = rlock_methods,
    .tp_getset = mutex_getset,
    .tp_weaklistoffset = offsetof(Mutex, weakrefs),
    .tp_new = rlock_new,
    .tp_vectorcall = rlock_vectorcall,
};

static PyObject *
descriptor_of_object(const char *name)
{
    PyObject *dict = PyObject_GetAttrString((PyObject *)&PyBaseObject_Type, "__dict__");
    PyObject *descriptor = dict == NULL ? NULL : PyMapping_GetItemString(dict, name);
    Py_XDECREF(dict);
    return descriptor;
}

int
locks_init(void)
{
    class_of_object = descriptor_of_object("__class__");
    PyObject *raw = PyImport_ImportModule("_thread");
    if (raw == NULL) {
        return -1;
    }
    raw_allocate_lock = PyObject_GetAttrString(raw, "allocate_lock");
    PyObject *lock_type = PyObject_GetAttrString(raw, "LockType");
    PyObject *rlock_type = PyObject_GetAttrString(raw, "RLock");
    Py_DECREF(raw);
    if (PyErr_Occurred()) {
        return -1;
    }
    if (!PyType_Check(lock_type) || !PyType_Check(rlock_type)) {
        PyErr_SetString(PyExc_ImportError, "expected _thread to have its own lock types");
        return -1;
    }
    raw_lock_type = (PyTypeObject *)lock_type;
    raw_rlock_type = (PyTypeObject *)rlock_type;
    bool ready = PyType_Ready(&LockMetaType) == 0 && PyType_Ready(&LockType) == 0 && PyType_Ready(&RLockType) == 0;
    return ready ? 0 : -1;
}
