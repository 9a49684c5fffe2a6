/* Reading frames of this and of other threads.
 *
 * The code that this thread runs is read without frame objects, since those would be allocated at every creation of a
 * lock and at every wait. CPython 3.12 made this possible for the innermost code by public (unstable) functions. Its
 * callers, and 3.11, need internal headers, whose layout is fixed for versions that receive security fixes only. */
#include <Python.h>

#if PY_VERSION_HEX < 0x030D0000
#define WITH_INTERNAL_HEADERS
#define Py_BUILD_CORE 1
#include <internal/pycore_code.h>
#include <internal/pycore_frame.h>
#undef Py_BUILD_CORE
#endif

#include "frames.h"
#include "runtime.h"

PyCodeObject *
innermost_code(int *offset)
{
    PyThreadState *tstate = PyThreadState_Get();
#if PY_VERSION_HEX < 0x030D0000
    struct _PyInterpreterFrame *frame = tstate->cframe->current_frame;
#else
    struct _PyInterpreterFrame *frame = tstate->current_frame;
#endif
    if (frame == NULL) {
        return NULL;
    }
#if PY_VERSION_HEX < 0x030C0000
    *offset = _PyInterpreterFrame_LASTI(frame) * (int)sizeof(_Py_CODEUNIT);
    return (PyCodeObject *)Py_NewRef(frame->f_code);
#else
    PyObject *code = PyUnstable_InterpreterFrame_GetCode(frame);
    if (code == NULL || !PyCode_Check(code)) {
        Py_XDECREF(code); /* a frame that the interpreter itself put at the bottom of the stack */
        return NULL;
    }
    *offset = PyUnstable_InterpreterFrame_GetLasti(frame);
    return (PyCodeObject *)code;
#endif
}

#ifdef WITH_INTERNAL_HEADERS
PyCodeObject *
next_code(Walk *walk, int *offset)
{
    _PyInterpreterFrame *frame =
        walk->started ? walk->frame->previous : PyThreadState_Get()->cframe->current_frame;
    while (frame != NULL && _PyFrame_IsIncomplete(frame)) {
        frame = frame->previous;
    }
    *walk = (Walk){.started = true, .frame = frame};
    if (frame == NULL) {
        return NULL;
    }
    *offset = _PyInterpreterFrame_LASTI(frame) * (int)sizeof(_Py_CODEUNIT);
    return frame->f_code;
}
#else
PyCodeObject *
next_code(Walk *Py_UNUSED(walk), int *Py_UNUSED(offset))
{
    return NULL;
}
#endif

/* A thread that is about to start has the ident of its starter for a moment, but no frames yet: up to 3.11 its state
 * is made by the starter. So the search goes on after a state without frames. */
PyFrameObject *
frame_of_thread(unsigned long ident)
{
    PyFrameObject *frame = NULL;
    PyThreadState *tstate = ident == 0 ? NULL : PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; tstate != NULL && frame == NULL; tstate = PyThreadState_Next(tstate)) {
        if (tstate->thread_id == ident) {
            frame = PyThreadState_GetFrame(tstate);
        }
    }
    return frame;
}

PyFrameObject *
frame_back(PyFrameObject *frame)
{
    PyFrameObject *back = PyFrame_GetBack(frame);
    if (back == NULL && PyErr_Occurred()) {
        count_internal_error(); /* no memory for a frame object: the stack seems to end here */
    }
    return back;
}

PyObject *
frame_module(PyFrameObject *frame)
{
    PyObject *globals = PyFrame_GetGlobals(frame);
    PyObject *name = globals == NULL ? NULL : PyDict_GetItemString(globals, "__name__");
    name = name != NULL && PyUnicode_CheckExact(name) ? Py_NewRef(name) : PyUnicode_FromString("unknown");
    Py_XDECREF(globals);
    return name;
}

/* ---- the first argument ---- */

/* A strong reference, NULL if there is none (any more). The variables are not copied, as by `f_locals` up to 3.12: such
 * a copy stays with the frame and keeps objects alive that the program has dropped. */
static PyObject *
first_variable(PyFrameObject *frame, PyCodeObject *code)
{
#if PY_VERSION_HEX < 0x030C0000
    PyObject *value = frame->f_frame->localsplus[0];
    bool is_captured = _PyLocals_GetKind(code->co_localspluskinds, 0) & CO_FAST_CELL;
    bool is_cell = value != NULL && is_captured && PyCell_Check(value);
    return Py_XNewRef(is_cell ? PyCell_GET(value) : value);
#else
    PyObject *names = PyCode_GetVarnames(code);
    PyObject *value = names == NULL ? NULL : PyFrame_GetVar(frame, PyTuple_GET_ITEM(names, 0));
    Py_XDECREF(names);
    if (value == NULL && PyErr_ExceptionMatches(PyExc_NameError)) {
        PyErr_Clear();
    }
    return value;
#endif
}

/* The first argument of the code of a frame, for a method its object; None if it has none. */
static PyObject *
first_argument(PyObject *Py_UNUSED(module), PyObject *frame)
{
    if (!PyFrame_Check(frame)) {
        return PyErr_Format(PyExc_TypeError, "expected a frame, got %.100s", Py_TYPE(frame)->tp_name);
    }
    PyCodeObject *code = PyFrame_GetCode((PyFrameObject *)frame);
    PyObject *value = code->co_argcount > 0 ? first_variable((PyFrameObject *)frame, code) : NULL;
    Py_DECREF(code);
    return value != NULL || PyErr_Occurred() ? value : Py_NewRef(Py_None);
}

PyMethodDef frames_functions[] = {
    {"first_argument", first_argument, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
