/* A `queue.SimpleQueue.get` that tells when a thread waits for an item.
 *
 * The type is written in C and immutable for Python, so the method is replaced in its dict. The new one calls the
 * function behind the original: an item that is there costs no second look-up or call. */
#include "simple_queue.h"

static PyMethodDescrObject *original_get;
static PyMethodDescrObject *original_empty;
static PyObject *blocking_get;
static PyMethodDef get_def;

static bool
is_empty(PyObject *queue)
{
    PyObject *empty = original_empty->d_method->ml_meth(queue, NULL);
    bool result = empty == Py_True;
    if (empty == NULL) {
        PyErr_Clear();
    }
    Py_XDECREF(empty);
    return result;
}

NOINLINE static PyObject *
get_from_empty(PyObject *queue, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *bound = PyMethod_New(blocking_get, queue);
    PyObject *item = bound == NULL ? NULL : PyObject_Vectorcall(bound, args, (size_t)nargs, kwnames);
    Py_XDECREF(bound);
    return item;
}

static PyObject *
get(PyObject *queue, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (is_empty(queue)) {
        return get_from_empty(queue, args, nargs, kwnames);
    }
    PyCMethod function = (PyCMethod)(void (*)(void))original_get->d_method->ml_meth;
    return function(queue, PyDescr_TYPE(original_get), args, (size_t)nargs, kwnames);
}

static PyMethodDescrObject *
method_of(PyTypeObject *type, const char *name, int flags)
{
    PyObject *method = PyDict_GetItemString(type->tp_dict, name);
    if (method == NULL || !Py_IS_TYPE(method, &PyMethodDescr_Type)) {
        return NULL;
    }
    PyMethodDescrObject *descriptor = (PyMethodDescrObject *)method;
    return descriptor->d_method->ml_flags == flags ? (PyMethodDescrObject *)Py_NewRef(method) : NULL;
}

/* The method that is to replace `get`; None if the type is not built as expected and is better left alone. */
static PyObject *
simple_queue_get(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyTypeObject *type;
    PyObject *when_empty;
    if (!PyArg_ParseTuple(args, "O!O:simple_queue_get", &PyType_Type, &type, &when_empty)) {
        return NULL;
    }
    if (original_get == NULL) {
        original_get = method_of(type, "get", METH_METHOD | METH_FASTCALL | METH_KEYWORDS);
        original_empty = method_of(type, "empty", METH_NOARGS);
    }
    if (original_get == NULL || original_empty == NULL || PyDescr_TYPE(original_get) != type) {
        Py_RETURN_NONE;
    }
    Py_XSETREF(blocking_get, Py_NewRef(when_empty));
    get_def = *original_get->d_method;
    get_def.ml_meth = (PyCFunction)(void (*)(void))get;
    get_def.ml_flags = METH_FASTCALL | METH_KEYWORDS;
    return PyDescr_NewMethod(type, &get_def);
}

/* `setattr` for a type that does not let Python do it. */
static PyObject *
set_in_type(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyTypeObject *type;
    PyObject *name, *value;
    if (!PyArg_ParseTuple(args, "O!UO:set_in_type", &PyType_Type, &type, &name, &value)) {
        return NULL;
    }
    if (PyDict_SetItem(type->tp_dict, name, value) < 0) {
        return NULL;
    }
    PyType_Modified(type);
    Py_RETURN_NONE;
}

PyMethodDef simple_queue_functions[] = {
    {"simple_queue_get", simple_queue_get, METH_VARARGS, NULL},
    {"set_in_type", set_in_type, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
