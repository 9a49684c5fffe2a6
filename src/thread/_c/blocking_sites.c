/* Where the program waits for conditions, queues and the like, and for what. */
#include "blocking_sites.h"
#include "code_info.h"
#include "frames.h"
#include "runtime.h"
#include "sites.h"

/* ---- where the program waits, and for what, without frame objects ---- */

/* If a library made the object, such as a connection pool, its caller is the one who waits: the frames of the library
 * are skipped, or in its own threads all but the outermost. */
static bool
is_of_library(PyCodeObject *code, PyObject *library)
{
    Py_ssize_t folders = library != NULL ? PyTuple_GET_SIZE(library) : 0;
    for (Py_ssize_t i = 0; i < folders; i++) {
        if (starts_with(code->co_filename, PyTuple_GET_ITEM(library, i))) {
            return true;
        }
    }
    return false;
}

/* Where the program waits, without a frame object, and for what; NULL unless the site is info already. */
static PyObject *
site_blocked(PyObject **kind, PyObject *library)
{
    Walk walk = {false, NULL};
    PyObject *waits_for = *kind;
    PyCodeObject *code;
    bool in_library = false;
    int offset = 0;
    for (int steps = 0; steps < MAX_STEPS && (code = next_code(&walk, &offset)) != NULL; steps++) {
        const CodeInfo *info = code_info_of(code);
        if (info == NULL || info->of_an_sdk) {
            PyErr_Clear();
            return NULL;
        }
        if (is_of_library(code, library)) {
            in_library = true;
        }
        else if (!info->internal) {
            const Instruction *instruction = instruction_known(info, offset);
            *kind = waits_for;
            return instruction == NULL ? NULL : instruction->site;
        }
        else if (!in_library) {
            waits_for = info->blocks != NULL ? info->blocks : waits_for;
        }
    }
    return NULL;
}

/* ---- the same by frame objects ---- */

static bool
frame_is_of_library(PyFrameObject *frame, PyObject *library)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    bool found = is_of_library(code, library);
    Py_DECREF(code); /* the frame holds it */
    return found;
}

/* The nearest frame of the program itself, else the outermost of the library, NULL if there is none. Takes and returns
 * a strong reference. `kind` becomes that of the outermost function on the way there which was declared to wait. */
static PyFrameObject *
frame_blocked(PyFrameObject *frame, PyObject *library, PyObject **kind, bool *through_an_sdk)
{
    PyFrameObject *of_library = NULL;
    *through_an_sdk = false;
    for (int steps = 0; frame != NULL && steps < MAX_STEPS; steps++) {
        const CodeInfo *info = code_info_of_frame(frame);
        if (info == NULL) {
            PyErr_Clear();
        }
        else if (frame_is_of_library(frame, library)) {
            Py_XSETREF(of_library, (PyFrameObject *)Py_NewRef(frame));
        }
        else if (!info->internal) {
            Py_XDECREF(of_library);
            return frame;
        }
        else if (of_library == NULL) {
            *kind = info->blocks != NULL ? info->blocks : *kind;
            *through_an_sdk |= info->of_an_sdk;
        }
        Py_SETREF(frame, frame_back(frame));
    }
    Py_XDECREF(frame);
    return of_library;
}

/* In a thread that runs no code of the program, such as a timer's: the caller of the outermost function that was
 * declared to wait, else of the telemetry. Takes and returns a strong reference. */
static PyFrameObject *
frame_of_timer_thread(PyFrameObject *frame)
{
    PyFrameObject *caller = NULL;
    for (int steps = 0; frame != NULL && steps < MAX_STEPS; steps++) {
        const CodeInfo *info = code_info_of_frame(frame);
        PyFrameObject *outer = frame_back(frame);
        if (info == NULL) {
            PyErr_Clear();
        }
        else if (caller == NULL && !info->ours) {
            caller = (PyFrameObject *)Py_NewRef(frame);
        }
        if (info != NULL && info->blocks != NULL && outer != NULL) {
            Py_XSETREF(caller, (PyFrameObject *)Py_NewRef(outer));
        }
        Py_SETREF(frame, outer);
    }
    Py_XDECREF(frame);
    return caller;
}

/* `blocking_of_this_thread`, by frame objects. */
static bool
blocking_by_frames(PyFrameObject *innermost, PyObject *library, PyObject **kind, PyObject **site)
{
    bool through_an_sdk;
    PyFrameObject *frame = frame_blocked((PyFrameObject *)Py_NewRef(innermost), library, kind, &through_an_sdk);
    bool recorded = !through_an_sdk && PyUnicode_GET_LENGTH(*kind) > 0;
    if (recorded && frame == NULL) {
        frame = frame_of_timer_thread((PyFrameObject *)Py_NewRef(innermost));
    }
    *site = recorded && frame != NULL ? site_of_frame(frame) : unknown_site;
    Py_XDECREF(frame);
    if (*site == NULL) {
        count_internal_error();
        *site = unknown_site;
    }
    return recorded;
}

bool
blocking_of_this_thread(PyObject *library, PyObject **kind, PyObject **site)
{
    *site = site_blocked(kind, library);
    if (*site != NULL) {
        return PyUnicode_GET_LENGTH(*kind) > 0;
    }
    PyFrameObject *innermost = PyThreadState_GetFrame(PyThreadState_Get());
    if (innermost == NULL) {
        *site = unknown_site;
        return true;
    }
    bool recorded = blocking_by_frames(innermost, library, kind, site);
    Py_DECREF(innermost);
    return recorded;
}
