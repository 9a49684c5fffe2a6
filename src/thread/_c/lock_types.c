/* Types of locks that pass `isinstance` with the interpreter's own, and the other way round.
 *
 * A program may have imported the interpreter's types before observation began, and made locks of these types. Its
 * `isinstance` and `functools.singledispatch` must work as before, with locks and types of either sort:
 *
 *     the type in hand | the lock's type | isinstance is true because of
 *     -----------------+-----------------+--------------------------------------
 *     interpreter's    | ours            | `__class__`, which names the interpreter's
 *     ours             | interpreter's   | the metaclass of both types
 */
#include "lock_types.h"
#include "runtime.h"

#define MAX_TYPES 2

static struct {
    PyTypeObject *type;
    PyTypeObject *own; /* the interpreter's, for which it stands */
} stand_ins[MAX_TYPES];
static int stand_in_count = 0;

static PyObject *class_of_object; /* the descriptor `object.__class__` */

static PyTypeObject *
own_type_of(const void *type)
{
    for (int i = 0; i < stand_in_count; i++) {
        if (stand_ins[i].type == type) {
            return stand_ins[i].own;
        }
    }
    return NULL;
}

/* ---- `__class__` ---- */

static PyObject *
mutex_class(PyObject *self, void *Py_UNUSED(closure))
{
    PyTypeObject *type = Py_TYPE(self);
    PyTypeObject *own = own_type_of(type);
    return Py_NewRef(own != NULL ? own : type);
}

static int
mutex_set_class(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    return Py_TYPE(class_of_object)->tp_descr_set(class_of_object, self, value);
}

PyGetSetDef lock_type_attributes[] = {
    {"__class__", mutex_class, mutex_set_class, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- the metaclass ---- */

static bool
is_acceptable_as(PyTypeObject *type, PyObject *wanted)
{
    PyTypeObject *own = own_type_of(wanted);
    return PyType_IsSubtype(type, (PyTypeObject *)wanted) || (own != NULL && PyType_IsSubtype(type, own));
}

static PyObject *
lock_meta_instancecheck(PyObject *self, PyObject *instance)
{
    if (is_acceptable_as(Py_TYPE(instance), self)) {
        Py_RETURN_TRUE;
    }
    /* An object that says so of itself, a mock for example. */
    PyObject *class = PyObject_GetAttrString(instance, "__class__");
    if (class == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return NULL;
        }
        PyErr_Clear();
        Py_RETURN_FALSE;
    }
    bool result = PyType_Check(class) && is_acceptable_as((PyTypeObject *)class, self);
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
    return PyBool_FromLong(is_acceptable_as((PyTypeObject *)subclass, self));
}

static PyMethodDef lock_meta_methods[] = {
    {"__instancecheck__", lock_meta_instancecheck, METH_O, NULL},
    {"__subclasscheck__", lock_meta_subclasscheck, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject LockMetaType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "thread._core.LockMeta",
    .tp_base = &PyType_Type,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_methods = lock_meta_methods,
};

/* ---- life of the module ---- */

PyTypeObject *
lock_type_ready(PyTypeObject *type, const char *name)
{
    PyObject *own = attribute_of_module("_thread", name);
    if (own == NULL) {
        return NULL;
    }
    if (!PyType_Check(own)) {
        Py_DECREF(own);
        PyErr_SetString(PyExc_ImportError, "expected _thread to have its own lock types");
        return NULL;
    }
    assert(stand_in_count < MAX_TYPES);
    stand_ins[stand_in_count].type = type;
    stand_ins[stand_in_count++].own = (PyTypeObject *)own;
    return PyType_Ready(type) < 0 ? NULL : (PyTypeObject *)own;
}

static PyObject *
descriptor_of_object(const char *name)
{
    PyObject *dict = PyObject_GetAttrString((PyObject *)&PyBaseObject_Type, "__dict__");
    PyObject *descriptor = dict == NULL ? NULL : PyMapping_GetItemString(dict, name);
    Py_XDECREF(dict);
    return descriptor;
}

int
lock_types_init(void)
{
    class_of_object = descriptor_of_object("__class__");
    return class_of_object == NULL ? -1 : PyType_Ready(&LockMetaType);
}
