/* The asyncio task that a thread runs, asked of asyncio's C module, so that no Python code runs. */
#include "tasks.h"
#include "runtime.h"

/* The module if the program has imported it. Not PyImport_GetModule, which can wait for an import to be finished. */
static PyObject *
asyncio_module(void)
{
    PyObject *modules = PyImport_GetModuleDict();
    return modules == NULL ? NULL : PyDict_GetItemString(modules, "_asyncio");
}

static PyObject *
running_loop(PyObject *module)
{
    PyObject *get_running_loop = PyObject_GetAttrString(module, "_get_running_loop");
    PyObject *loop = NULL;
    if (get_running_loop != NULL && PyCFunction_Check(get_running_loop)) {
        loop = PyObject_CallNoArgs(get_running_loop);
    }
    Py_XDECREF(get_running_loop);
    return loop;
}

#if PY_VERSION_HEX < 0x030C0000
static PyObject *
current_task(PyObject *module, PyObject *loop)
{
    PyObject *tasks = PyObject_GetAttrString(module, "_current_tasks");
    PyObject *task = tasks != NULL && PyDict_CheckExact(tasks) ? PyDict_GetItemWithError(tasks, loop) : NULL;
    Py_XINCREF(task);
    Py_XDECREF(tasks);
    return task;
}
#else
static PyObject *
current_task(PyObject *module, PyObject *loop)
{
    PyObject *function = PyObject_GetAttrString(module, "current_task");
    PyObject *task = NULL;
    if (function != NULL && PyCFunction_Check(function)) {
        task = PyObject_CallOneArg(function, loop);
    }
    Py_XDECREF(function);
    return task;
}
#endif

/* Only of asyncio's own tasks, since a subclass could answer by running code of the program. */
static PyObject *
name_of_task(PyObject *module, PyObject *task)
{
    PyObject *type = PyObject_GetAttrString(module, "Task");
    PyObject *name = NULL;
    if (type != NULL && PyType_Check(type) && Py_IS_TYPE(task, (PyTypeObject *)type)) {
        name = PyObject_CallMethod(task, "get_name", NULL);
    }
    Py_XDECREF(type);
    if (name != NULL && !PyUnicode_CheckExact(name)) {
        Py_CLEAR(name);
    }
    return name;
}

PyObject *
task_of_this_thread(void)
{
    PyObject *module = asyncio_module();
    if (module == NULL) {
        Py_RETURN_NONE;
    }
    Py_INCREF(module);
    PyObject *loop = running_loop(module);
    PyObject *name = NULL;
    if (loop == NULL || loop == Py_None) {
        name = Py_NewRef(Py_None);
    }
    else {
        PyObject *task = current_task(module, loop);
        name = task == NULL ? NULL : name_of_task(module, task);
        Py_XDECREF(task);
    }
    Py_XDECREF(loop);
    Py_DECREF(module);
    if (PyErr_Occurred()) {
        count_internal_error();
    }
    return name != NULL ? name : PyUnicode_FromString("");
}

static PyObject *
py_current_task(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return task_of_this_thread();
}

PyMethodDef tasks_functions[] = {
    {"current_task", py_current_task, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
