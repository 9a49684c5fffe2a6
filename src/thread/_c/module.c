/* The module `thread._core`: its method tables, and the order in which its files are initialized. */
#include "blocking.h"
#include "code_info.h"
#include "events.h"
#include "evidence.h"
#include "fork.h"
#include "frames.h"
#include "histogram.h"
#include "identities.h"
#include "lock_arguments.h"
#include "lock_types.h"
#include "locks.h"
#include "naming.h"
#include "renaming.h"
#include "rlocks.h"
#include "runtime.h"
#include "semaphores.h"
#include "simple_queue.h"
#include "sites.h"
#include "spans.h"
#include "targets.h"
#include "tasks.h"
#include "thread_records.h"
#include "threads.h"
#include "waiters.h"

/* From the lowest floor to the highest. */
static int (*const inits[])(void) = {
    runtime_init, histogram_init, events_init, targets_init, identities_init, code_info_init,
    sites_init, blocking_init, naming_init, thread_records_init, lock_types_init,
    lock_arguments_init, locks_init, rlocks_init, semaphores_init, threads_init, fork_init,
};

static PyMethodDef *const tables[] = {
    runtime_functions, frames_functions, events_functions, tasks_functions, targets_functions,
    identities_functions, spans_functions, evidence_functions, code_info_functions, sites_functions,
    blocking_functions, thread_records_functions, waiters_functions, simple_queue_functions,
    threads_functions, renaming_functions, fork_functions,
};

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

static int
add_functions(PyObject *module)
{
    for (size_t i = 0; i < COUNT(tables); i++) {
        if (PyModule_AddFunctions(module, tables[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

/* `allocate_lock` and the like belong to `_thread` as far as the program can see. */
static int
add_public_functions(PyObject *module, PyMethodDef *table)
{
    PyObject *public_module = PyUnicode_InternFromString("_thread");
    int result = public_module == NULL ? -1 : 0;
    for (PyMethodDef *def = table; result == 0 && def->ml_name != NULL; def++) {
        PyObject *function = PyCFunction_NewEx(def, module, public_module);
        result = function == NULL ? -1 : PyModule_AddObjectRef(module, def->ml_name, function);
        Py_XDECREF(function);
    }
    Py_XDECREF(public_module);
    return result;
}

static int
add_types(PyObject *module)
{
    if (PyModule_AddObjectRef(module, "LockType", (PyObject *)&LockType) < 0 ||
        PyModule_AddObjectRef(module, "RLock", (PyObject *)&RLockType) < 0 ||
        PyModule_AddObjectRef(module, "HistogramCounts", (PyObject *)&HistogramCountsType) < 0) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "SemaphoreRecord", (PyObject *)&SemaphoreRecordType);
}

static int
check_platform(void)
{
    if (this_thread() != PyThread_get_thread_ident()) {
        PyErr_SetString(PyExc_ImportError, "this platform identifies threads otherwise than the C core expects");
        return -1;
    }
    return 0;
}

static int
initialize(void)
{
    for (size_t i = 0; i < COUNT(inits); i++) {
        if (inits[i]() < 0) {
            return -1;
        }
    }
    return 0;
}

static int
core_exec(PyObject *module)
{
    static bool initialized = false;
    if (initialized) {
        PyErr_SetString(PyExc_ImportError, "thread._core can be imported once in a process, by the main interpreter");
        return -1;
    }
    initialized = true;
    if (check_platform() < 0 || initialize() < 0 || add_functions(module) < 0 || add_types(module) < 0 ||
        add_public_functions(module, public_locks_functions) < 0 ||
        add_public_functions(module, public_threads_functions) < 0) {
        return -1;
    }
    return PyModule_AddStringConstant(module, "NAME", "c");
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, core_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "thread._core",
    .m_doc = "The C core of thread-telemetry; `thread._core_py` is its readable specification.",
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&module_def);
}
