/* The totals of all threads that run the same function, or were given the same name. */
#include "targets.h"
#include "runtime.h"

#define MAX_TARGETS 1000

static PyObject *targets; /* dict: name -> capsule of a Target, which lives as long as the process */
static Target *first_target = NULL;
static PyObject *describe_target;

static Target *
target_add(PyObject *name)
{
    Target *target = PyMem_RawCalloc(1, sizeof(Target));
    PyObject *capsule = target == NULL ? PyErr_NoMemory() : PyCapsule_New(target, NULL, NULL);
    if (capsule == NULL || PyDict_SetItem(targets, name, capsule) < 0) {
        Py_XDECREF(capsule);
        PyMem_RawFree(target);
        return NULL;
    }
    Py_DECREF(capsule);
    target->name = Py_NewRef(name);
    target->next = first_target;
    first_target = target;
    return target;
}

/* NULL, with an exception set only if memory is short. */
static Target *
target_known(PyObject *name)
{
    PyObject *capsule = PyDict_GetItemWithError(targets, name);
    return capsule == NULL ? NULL : PyCapsule_GetPointer(capsule, NULL);
}

static Target *
target_named(PyObject *name)
{
    Target *known = target_known(name);
    if (known != NULL || PyErr_Occurred()) {
        return known;
    }
    if (PyDict_GET_SIZE(targets) < MAX_TARGETS) {
        return target_add(name);
    }
    note_cap();
    PyObject *other = PyUnicode_FromString("other");
    if (other == NULL) {
        return NULL;
    }
    Target *target = target_known(other);
    if (target == NULL && !PyErr_Occurred()) {
        target = target_add(other);
    }
    Py_DECREF(other);
    return target;
}

/* ---- the target of a function ---- */

bool
may_start_untracked_thread(PyObject *function)
{
    if (!PyFunction_Check(function)) {
        return !PyCFunction_Check(function) && !PyType_Check(function);
    }
    PyObject *cells = PyFunction_GET_CLOSURE(function);
    for (Py_ssize_t i = 0; cells != NULL && i < PyTuple_GET_SIZE(cells); i++) {
        PyObject *content = PyCell_GET(PyTuple_GET_ITEM(cells, i));
        if (content != NULL && PyMethod_Check(content)) {
            return true;
        }
    }
    return false;
}

/* A plain function's target is remembered by the identity of the two strings that make its name. They are kept
 * alive here, so that no other string can take their place. */
#define REMEMBERED 64

static struct {
    PyObject *module;
    PyObject *qualname;
    Target *target;
} remembered[REMEMBERED];

static size_t
slot_of(const PyFunctionObject *function)
{
    return ((uintptr_t)function->func_qualname >> 4) % REMEMBERED;
}

/* False for a function that may be a wrapper, which has the name of the function that it wraps. */
static bool
is_named_by_itself(PyObject *function)
{
    if (!PyFunction_Check(function) || may_start_untracked_thread(function)) {
        return false;
    }
    PyObject *attributes = ((PyFunctionObject *)function)->func_dict;
    return attributes == NULL || PyDict_GET_SIZE(attributes) == 0;
}

static Target *
target_remembered(PyObject *function)
{
    if (!is_named_by_itself(function)) {
        return NULL;
    }
    const PyFunctionObject *plain = (PyFunctionObject *)function;
    size_t slot = slot_of(plain);
    bool same = remembered[slot].module == plain->func_module && remembered[slot].qualname == plain->func_qualname;
    return same ? remembered[slot].target : NULL;
}

static void
target_remember(PyObject *function, Target *target)
{
    const PyFunctionObject *plain = (PyFunctionObject *)function;
    if (!is_named_by_itself(function) || plain->func_module == NULL || !PyUnicode_CheckExact(plain->func_module)) {
        return;
    }
    size_t slot = slot_of(plain);
    Py_XSETREF(remembered[slot].module, Py_NewRef(plain->func_module));
    Py_XSETREF(remembered[slot].qualname, Py_NewRef(plain->func_qualname));
    remembered[slot].target = target;
}

Target *
target_of(PyObject *function, PyObject *name)
{
    Target *target = name == NULL ? target_remembered(function) : NULL;
    if (target != NULL) {
        return target;
    }
    PyObject *called = name != NULL ? PyUnicode_FromObject(name) : PyObject_CallOneArg(describe_target, function);
    if (called != NULL && PyUnicode_CheckExact(called)) {
        target = target_named(called);
    }
    Py_XDECREF(called);
    if (target != NULL && name == NULL) {
        target_remember(function, target);
    }
    return target;
}

/* ---- reading ---- */

static PyObject *
read_threads(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *rows = PyList_New(0);
    for (Target *target = first_target; rows != NULL && target != NULL; target = target->next) {
        if (target->started == 0) {
            continue; /* known from before everything was zeroed */
        }
        /* TargetRow */
        PyObject *row =
            Py_BuildValue("OKKNNN", target->name, target->started, target->finished,
                          histogram_read(target->start_delay), histogram_read(target->lifetime),
                          sum_read(&target->cpu_time_ns));
        rows = rows_with(rows, row);
    }
    return rows;
}

/* ---- life of the module ---- */

int
targets_init(void)
{
    targets = PyDict_New();
    describe_target = attribute_of_module("thread._inspection.targets", "describe_target");
    return PyErr_Occurred() ? -1 : 0;
}

void
targets_reset(void)
{
    for (Target *target = first_target; target != NULL; target = target->next) {
        target->started = target->finished = 0;
        target->cpu_time_ns = (Sum){0, 0};
        histogram_reset(&target->start_delay);
        histogram_reset(&target->lifetime);
    }
}

PyMethodDef targets_functions[] = {
    {"read_threads", read_threads, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
