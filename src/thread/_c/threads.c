/* Starting threads.
 *
 * The interpreter's own functions start the thread, so daemon threads, handles, stack sizes and the rest are theirs.
 * They run `thread_run` of a record, which runs the function of the caller. */
#include "threads.h"
#include "runtime.h"
#include "thread_records.h"

static PyObject *raw_start_new_thread;
#if PY_VERSION_HEX >= 0x030D0000
static PyObject *raw_start_joinable_thread;
#endif

/* ---- the thread itself ---- */

/* Print the exception that is set as `_thread` would have, had it started the function itself. */
static void
write_unraisable(PyObject *function)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyErr_FormatUnraisable("Exception ignored in thread started by %R", function);
#else
    _PyErr_WriteUnraisableMsg("in thread started by", function);
#endif
}

static void
handle_exception(PyObject *function)
{
    if (PyErr_ExceptionMatches(PyExc_SystemExit)) {
        PyErr_Clear();
    }
    else {
        write_unraisable(function);
    }
}

static PyObject *
thread_run(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Record *record = (Record *)self;
    bool observed = record->target != NULL;
    if (observed) {
        record_begin(record);
    }
    if (record->untracked) {
        untrack_this_thread(1);
    }
    PyObject *result = PyObject_Call(record->function, record->args, record->kwargs);
    if (result == NULL) {
        record_raised(record);
        handle_exception(record->function);
    }
    Py_XDECREF(result);
    /* While the thread still counts as running, since dropping arguments can run finalizers. */
    Py_CLEAR(record->function);
    Py_CLEAR(record->args);
    Py_CLEAR(record->kwargs);
    if (observed) {
        record_end(record);
    }
    if (record->untracked) {
        untrack_this_thread(-1);
    }
    Py_RETURN_NONE;
}

static PyMethodDef thread_run_def = {"run", thread_run, METH_NOARGS, NULL};

/* ---- arguments ---- */

static int
take_name(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const char *whose, PyObject **name)
{
    *name = NULL;
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(keyword, "name") != 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", whose, keyword);
            return -1;
        }
        *name = args[nargs + i];
    }
    return check_name(name, "thread");
}

static int
check_start(PyObject *const *args, Py_ssize_t nargs)
{
    const char *error = NULL;
    if (nargs < 2 || nargs > 3) {
        PyErr_Format(PyExc_TypeError, "start_new_thread expected at %s arguments, got %zd",
                     nargs < 2 ? "least 2" : "most 3", nargs);
        return -1;
    }
    if (!PyCallable_Check(args[0])) {
        error = "first arg must be callable";
    }
    else if (!PyTuple_Check(args[1])) {
        error = "2nd arg must be a tuple";
    }
    else if (nargs == 3 && !PyDict_Check(args[2])) {
        error = "optional 3rd arg must be a dictionary";
    }
    if (error != NULL) {
        PyErr_SetString(PyExc_TypeError, error);
        return -1;
    }
    return 0;
}

/* ---- starting ---- */

/* A callable that runs the record in the new thread and owns it. */
static PyObject *
runner_new(PyObject *function, PyObject *args, PyObject *kwargs, PyObject *name)
{
    Record *record = record_new(function, args, kwargs, name);
    if (record == NULL) {
        return NULL;
    }
    PyObject *runner = PyCFunction_New(&thread_run_def, (PyObject *)record);
    if (runner == NULL) {
        record_abandon(record);
    }
    Py_DECREF(record);
    return runner;
}

/* After the interpreter's own function. It can raise because memory is short though it has started the thread, which
 * then has the runner as well. Takes the reference. */
static PyObject *
runner_started(PyObject *runner, PyObject *result)
{
    if (result == NULL && runner != NULL && Py_REFCNT(runner) == 1) {
        record_abandon((Record *)PyCFunction_GET_SELF(runner));
    }
    Py_XDECREF(runner);
    return result;
}

/* The number of calls of `pass_on` that this thread is in. */
static _Thread_local int passing_on = 0;

/* A callable that runs a function as an observed thread, to be started by another through `pass_on`. */
static PyObject *
observed_run(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *function, *arguments, *keywords, *name;
    if (!PyArg_ParseTuple(args, "OO!O!O:observed_run", &function, &PyTuple_Type, &arguments, &PyDict_Type, &keywords,
                          &name) ||
        check_name(&name, "thread") < 0) {
        return NULL;
    }
    return runner_new(function, arguments, keywords, name);
}

/* Call a function that starts threads for others, such as a debugger's, with a callable to run and more arguments. If
 * it calls a start function of this file again, that one starts the callable as it is. */
static PyObject *
pass_on(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *start, *run, *rest, *keywords;
    if (!PyArg_ParseTuple(args, "OOO!O!:pass_on", &start, &run, &PyTuple_Type, &rest, &PyDict_Type, &keywords)) {
        return NULL;
    }
    PyObject *first = PyTuple_Pack(1, run);
    PyObject *all = first == NULL ? NULL : PySequence_Concat(first, rest);
    PyObject *result = NULL;
    if (all != NULL) {
        passing_on++;
        result = PyObject_Call(start, all, keywords);
        passing_on--;
    }
    Py_XDECREF(all);
    Py_XDECREF(first);
    return result;
}

static PyObject *
start_new_thread(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *name;
    if (take_name(args, nargs, kwnames, "start_new_thread", &name) < 0 || check_start(args, nargs) < 0) {
        return NULL;
    }
    if (passing_on > 0) {
        return PyObject_Vectorcall(raw_start_new_thread, args, (size_t)nargs, NULL);
    }
    PyObject *runner = runner_new(args[0], args[1], nargs == 3 ? args[2] : NULL, name);
    PyObject *no_args = runner == NULL ? NULL : PyTuple_New(0);
    PyObject *ident = NULL;
    if (no_args != NULL) {
        ident = PyObject_CallFunctionObjArgs(raw_start_new_thread, runner, no_args, NULL);
    }
    Py_XDECREF(no_args);
    return runner_started(runner, ident);
}

#if PY_VERSION_HEX >= 0x030D0000
static PyObject *
start_joinable(PyObject *function, PyObject *handle, PyObject *daemon, PyObject *name)
{
    PyObject *no_args = PyTuple_New(0);
    PyObject *runner = no_args == NULL ? NULL : runner_new(function, no_args, NULL, name);
    PyObject *result = NULL;
    if (runner != NULL) {
        result = PyObject_CallFunctionObjArgs(raw_start_joinable_thread, runner, handle, daemon, NULL);
    }
    Py_XDECREF(no_args);
    return runner_started(runner, result);
}

static PyObject *
start_joinable_thread(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"function", "handle", "daemon", "name", NULL};
    PyObject *function, *handle = Py_None, *daemon = Py_True, *name = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO$O:start_joinable_thread", keywords, &function, &handle,
                                     &daemon, &name)) {
        return NULL;
    }
    if (!PyCallable_Check(function)) {
        PyErr_SetString(PyExc_TypeError, "thread function must be callable");
        return NULL;
    }
    if (check_name(&name, "thread") < 0) {
        return NULL;
    }
    if (passing_on > 0) {
        return PyObject_CallFunctionObjArgs(raw_start_joinable_thread, function, handle, daemon, NULL);
    }
    return start_joinable(function, handle, daemon, name);
}
#endif

/* ---- the functions ---- */

PyDoc_STRVAR(start_new_thread_doc,
"start_new_thread($module, function, args, kwargs={}, /, *, name=None)\n--\n\n"
"Start a new thread and return its identifier.\n\n"
"The thread calls the function with positional arguments from the tuple args\n"
"and keyword arguments taken from the optional dictionary kwargs. It exits\n"
"when the function returns; the return value is ignored. It also exits when\n"
"the function raises an unhandled exception, of which a stack trace is\n"
"printed unless the exception is SystemExit. name is what the thread is\n"
"counted under instead of the name of the function.");
#if PY_VERSION_HEX >= 0x030D0000
PyDoc_STRVAR(start_joinable_thread_doc,
"start_joinable_thread($module, /, function, handle=None, daemon=True, *,\n"
"                      name=None)\n--\n\n"
"Start a new thread that calls function, and return a handle that is either\n"
"the one given or a new one. name is what the thread is counted under.");
#endif

PyMethodDef public_threads_functions[] = {
    {"start_new_thread", FAST_WITH_KEYWORDS(start_new_thread), start_new_thread_doc},
#if PY_VERSION_HEX >= 0x030D0000
    {"start_joinable_thread", WITH_KEYWORDS(start_joinable_thread), start_joinable_thread_doc},
#endif
    {NULL, NULL, 0, NULL},
};

PyMethodDef threads_functions[] = {
    {"observed_run", observed_run, METH_VARARGS, NULL},
    {"pass_on", pass_on, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int
threads_init(void)
{
    raw_start_new_thread = attribute_of_module("_thread", "start_new_thread");
#if PY_VERSION_HEX >= 0x030D0000
    raw_start_joinable_thread = attribute_of_module("_thread", "start_joinable_thread");
#endif
    return PyErr_Occurred() ? -1 : 0;
}
