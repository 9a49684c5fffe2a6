/* Where a thread is: the frame that is charged, interned sites, stacks. */
#include "sites.h"
#include "code_info.h"
#include "frames.h"
#include "runtime.h"

#define MAX_SITES 2000

static PyObject *sites; /* dict: site -> itself; nothing is ever removed, so borrowed references stay valid */

PyFrameObject *
frame_charged(PyFrameObject *innermost, bool *through_an_sdk)
{
    PyFrameObject *frame = (PyFrameObject *)Py_XNewRef(innermost);
    *through_an_sdk = false;
    for (int steps = 0; frame != NULL && steps < MAX_STEPS; steps++) {
        CodeInfo *info = code_info_of_frame(frame);
        if (info == NULL) {
            PyErr_Clear();
        }
        else if (!info->internal) {
            Py_DECREF(innermost);
            return frame;
        }
        else if (info->of_an_sdk) {
            *through_an_sdk = true;
        }
        Py_SETREF(frame, frame_back(frame));
    }
    Py_XDECREF(frame);
    return innermost;
}

bool
serves_telemetry(void)
{
    if (instruction_of_this_thread() != NULL) {
        return false;
    }
    bool through_an_sdk;
    PyFrameObject *frame = frame_charged(PyThreadState_GetFrame(PyThreadState_Get()), &through_an_sdk);
    Py_XDECREF(frame);
    return through_an_sdk;
}

/* ---- sites ---- */

/* A new site tuple, as `naming.describe_site` builds it. */
static PyObject *
site_new(PyFrameObject *frame)
{
    PyObject *module = frame_module(frame);
    if (module == NULL) {
        return NULL;
    }
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *site = NULL;
    int line = PyCode_Addr2Line(code, PyFrame_GetLasti(frame));
    PyObject *function = PyUnicode_CompareWithASCIIString(code->co_qualname, "<module>") == 0
                             ? Py_NewRef(module)
                             : PyUnicode_FromFormat("%U.%U", module, code->co_qualname);
    if (function != NULL) {
        /* SiteRow */
        site = Py_BuildValue("NOi", function, code->co_filename, line < 0 ? code->co_firstlineno : line);
    }
    Py_DECREF(code);
    Py_DECREF(module);
    return site;
}

static PyObject *
site_interned(PyFrameObject *frame)
{
    PyObject *site = site_new(frame);
    if (site == NULL) {
        return NULL;
    }
    PyObject *known = PyDict_GetItemWithError(sites, site);
    if (known == NULL && !PyErr_Occurred()) {
        if (PyDict_GET_SIZE(sites) >= MAX_SITES) {
            note_cap();
            known = other_site;
        }
        else {
            known = PyDict_SetDefault(sites, site, site);
        }
    }
    Py_DECREF(site);
    return known;
}

PyObject *
site_of_frame(PyFrameObject *frame)
{
    CodeInfo *info = code_info_of_frame(frame);
    Instruction *instruction = info == NULL ? NULL : instruction_at(info, PyFrame_GetLasti(frame));
    if (instruction == NULL) {
        return NULL;
    }
    if (instruction->site == NULL) {
        /* Building the tuple can run a finalizer on 3.11, but instructions are only ever added: it stays valid. */
        instruction->site = site_interned(frame);
    }
    return instruction->site;
}

static PyObject *
site_or_unknown(PyFrameObject *innermost)
{
    if (innermost == NULL) {
        return unknown_site;
    }
    bool through_an_sdk;
    PyFrameObject *frame = frame_charged(innermost, &through_an_sdk);
    PyObject *site = site_of_frame(frame);
    Py_DECREF(frame);
    if (site == NULL) {
        count_internal_error();
        return unknown_site;
    }
    return site;
}

PyObject *
site_of_thread(unsigned long ident)
{
    return site_or_unknown(frame_of_thread(ident));
}

PyObject *
site_of_this_thread(void)
{
    const Instruction *instruction = instruction_of_this_thread();
    if (instruction != NULL && instruction->site != NULL) {
        return instruction->site;
    }
    return site_or_unknown(PyThreadState_GetFrame(PyThreadState_Get()));
}

/* ---- stacks ---- */

/* Frames of the telemetry itself are left out. */
static int
stack_append(PyObject *stack, PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    bool ours = is_our_file(code->co_filename);
    Py_DECREF(code);
    if (ours) {
        return 0;
    }
    PyObject *site = site_new(frame);
    if (site == NULL) {
        return -1;
    }
    int result = PyList_Append(stack, site);
    Py_DECREF(site);
    return result;
}

PyObject *
stack_of_thread(unsigned long ident)
{
    PyObject *stack = PyList_New(0);
    PyFrameObject *frame = frame_of_thread(ident);
    for (Py_ssize_t steps = 0; frame != NULL && stack != NULL && steps - MAX_STEPS < settings.stack_depth; steps++) {
        if (PyList_GET_SIZE(stack) >= settings.stack_depth) {
            break;
        }
        if (stack_append(stack, frame) < 0) {
            Py_CLEAR(stack);
        }
        Py_SETREF(frame, frame_back(frame));
    }
    Py_XDECREF(frame);
    PyObject *frozen = stack == NULL ? NULL : PyList_AsTuple(stack);
    Py_XDECREF(stack);
    return frozen;
}

/* ---- functions for Python code ---- */

static PyObject *
current_stack(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return stack_of_thread(this_thread());
}

static PyObject *
py_serves_telemetry(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(is_untracked() || serves_telemetry());
}

int
sites_init(void)
{
    sites = PyDict_New();
    return sites == NULL ? -1 : 0;
}

PyMethodDef sites_functions[] = {
    {"current_stack", current_stack, METH_NOARGS, NULL},
    {"serves_telemetry", py_serves_telemetry, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
