/* From a frame to the identity of the locks created there, or to the site that a wait is charged to.
 *
 * What is known of a code object hangs on the code object itself, in its extra slot, and is freed with it; so a
 * place that was seen before costs no hashing, and no code object is kept alive. */
#include "core.h"

#include <string.h>

#define MAX_SITES 2000

#if PY_VERSION_HEX < 0x030C0000
#define PyUnstable_Eval_RequestCodeExtraIndex _PyEval_RequestCodeExtraIndex
#define PyUnstable_Code_GetExtra _PyCode_GetExtra
#define PyUnstable_Code_SetExtra _PyCode_SetExtra
#endif

typedef struct Place {
    struct Place *next;
    int offset;
    Identity *identities[KIND_COUNT]; /* NULL until a lock was created here */
    PyObject *site;                   /* borrowed from `sites`; NULL until a wait was charged here */
} Place;

typedef struct {
    bool internal; /* charged to the caller */
    Place *places;
} CodePlaces;

PyObject *unknown_site;
PyObject *other_site;

static Py_ssize_t extra_index = -1;
static PyObject *sites; /* dict: site -> itself; nothing is ever removed, so borrowed references stay valid */
static PyObject *describe_place;
static PyObject *internal_prefixes;
static PyObject *standard_library;
static PyObject *package_folders;
static PyObject *telemetry_folders;

static void
code_places_free(void *memory)
{
    CodePlaces *known = memory;
    if (known == NULL) {
        return;
    }
    while (known->places != NULL) {
        Place *place = known->places;
        known->places = place->next;
        PyMem_RawFree(place);
    }
    PyMem_RawFree(known);
}

int
places_init(PyObject *naming)
{
    extra_index = PyUnstable_Eval_RequestCodeExtraIndex(code_places_free);
    if (extra_index < 0) {
        PyErr_SetString(PyExc_ImportError, "the interpreter has no room left to annotate code objects");
        return -1;
    }
    sites = PyDict_New();
    unknown_site = PyObject_GetAttrString(naming, "UNKNOWN_SITE");
    other_site = PyObject_GetAttrString(naming, "OTHER_SITE");
    describe_place = PyObject_GetAttrString(naming, "describe_place");
    internal_prefixes = PyObject_GetAttrString(naming, "INTERNAL_PREFIXES");
    standard_library = PyObject_GetAttrString(naming, "STANDARD_LIBRARY");
    package_folders = PyObject_GetAttrString(naming, "PACKAGE_FOLDERS");
    telemetry_folders = PyObject_GetAttrString(naming, "TELEMETRY_FOLDERS");
    return PyErr_Occurred() ? -1 : 0;
}

/* ---- what is internal: `_naming.is_internal`, without running Python code ---- */

static bool
contains_any(PyObject *text, PyObject *needles)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(needles); i++) {
        if (PyUnicode_Find(text, PyTuple_GET_ITEM(needles, i), 0, PY_SSIZE_T_MAX, 1) >= 0) {
            return true;
        }
    }
    return false;
}

static bool
starts_with(PyObject *text, PyObject *prefix)
{
    return PyUnicode_Tailmatch(text, prefix, 0, PY_SSIZE_T_MAX, -1) == 1;
}

static bool
is_internal(PyObject *filename)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(internal_prefixes); i++) {
        if (starts_with(filename, PyTuple_GET_ITEM(internal_prefixes, i))) {
            return true;
        }
    }
    if (contains_any(filename, package_folders)) {
        return contains_any(filename, telemetry_folders);
    }
    return starts_with(filename, standard_library);
}

/* ---- what is known of a code object ---- */

static CodePlaces *
places_of(PyCodeObject *code)
{
    void *extra = NULL;
    if (PyUnstable_Code_GetExtra((PyObject *)code, extra_index, &extra) < 0) {
        return NULL;
    }
    if (extra != NULL) {
        return extra;
    }
    CodePlaces *known = PyMem_RawCalloc(1, sizeof(CodePlaces));
    if (known == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    known->internal = is_internal(code->co_filename);
    if (PyUnstable_Code_SetExtra((PyObject *)code, extra_index, known) < 0) {
        PyMem_RawFree(known);
        return NULL;
    }
    return known;
}

static inline Place *
place_known(const CodePlaces *known, int offset)
{
    Place *place = known->places;
    while (place != NULL && place->offset != offset) {
        place = place->next;
    }
    return place;
}

static Place *
place_at(CodePlaces *known, int offset)
{
    Place *place = place_known(known, offset);
    if (place == NULL) {
        place = PyMem_RawCalloc(1, sizeof(Place));
        if (place == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        place->offset = offset;
        place->next = known->places;
        known->places = place;
    }
    return place;
}

/* Where this thread is, without a frame object; NULL unless the place was seen before and is the program's own. */
static inline Place *
place_of_this_thread(void)
{
    int offset = 0;
    PyCodeObject *code = innermost_code(&offset);
    if (code == NULL) {
        return NULL;
    }
    const CodePlaces *known = places_of(code);
    Place *place = known == NULL || known->internal ? NULL : place_known(known, offset);
    Py_DECREF(code); /* still running, hence alive */
    if (known == NULL) {
        PyErr_Clear();
    }
    return place;
}

/* ---- frames that a place is charged to ---- */

static CodePlaces *
places_of_frame(PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    CodePlaces *known = places_of(code);
    Py_DECREF(code); /* the frame holds it */
    return known;
}

/* The nearest frame of the program itself, else the innermost. Takes and returns a strong reference; NULL stays NULL. */
static PyFrameObject *
frame_charged(PyFrameObject *innermost)
{
    PyFrameObject *frame = (PyFrameObject *)Py_XNewRef(innermost);
    while (frame != NULL) {
        CodePlaces *known = places_of_frame(frame);
        if (known == NULL) {
            PyErr_Clear();
        }
        else if (!known->internal) {
            Py_DECREF(innermost);
            return frame;
        }
        PyFrameObject *outer = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = outer;
    }
    return innermost;
}

/* ---- sites ---- */

/* A new site tuple, as `_naming.describe_site` builds it. */
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
            sites_are_capped = true;
            known = other_site;
        }
        else {
            known = PyDict_SetDefault(sites, site, site);
        }
    }
    Py_DECREF(site);
    return known;
}

static PyObject *
site_of_frame(PyFrameObject *frame)
{
    CodePlaces *known = places_of_frame(frame);
    Place *place = known == NULL ? NULL : place_at(known, PyFrame_GetLasti(frame));
    if (place == NULL) {
        return NULL;
    }
    if (place->site == NULL) {
        /* Building the tuple can run a finalizer on 3.11, but places are only ever added: `place` stays valid. */
        place->site = site_interned(frame);
    }
    return place->site;
}

static PyObject *
site_or_unknown(PyFrameObject *innermost)
{
    if (innermost == NULL) {
        return unknown_site;
    }
    PyFrameObject *frame = frame_charged(innermost);
    PyObject *site = site_of_frame(frame);
    Py_DECREF(frame);
    if (site == NULL) {
        count_fault();
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
    const Place *place = place_of_this_thread();
    if (place != NULL && place->site != NULL) {
        return place->site;
    }
    return site_or_unknown(PyThreadState_GetFrame(PyThreadState_Get()));
}

/* ---- stacks ---- */

/* Frames of the telemetry itself are left out. */
static int
stack_append(PyObject *stack, PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    bool ours = starts_with(code->co_filename, PyTuple_GET_ITEM(internal_prefixes, 0));
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
    while (frame != NULL && stack != NULL && PyList_GET_SIZE(stack) < settings.stack_depth) {
        if (stack_append(stack, frame) < 0) {
            Py_CLEAR(stack);
        }
        PyFrameObject *outer = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = outer;
    }
    Py_XDECREF(frame);
    PyObject *frozen = stack == NULL ? NULL : PyList_AsTuple(stack);
    Py_XDECREF(stack);
    return frozen;
}

/* ---- identities of locks ---- */

static PyObject *
location_of(PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *location =
        PyUnicode_FromFormat("%U:%d", code->co_filename, PyCode_Addr2Line(code, PyFrame_GetLasti(frame)));
    Py_DECREF(code);
    return location;
}

/* Runs Python code, but once for each place only. */
static Identity *
identity_described(Kind kind, PyFrameObject *frame)
{
    PyObject *module = frame_module(frame);
    if (module == NULL) {
        return NULL;
    }
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *described = PyObject_CallFunction(describe_place, "OiO", code, PyFrame_GetLasti(frame), module);
    Py_DECREF(code);
    Py_DECREF(module);
    Identity *identity = NULL;
    PyObject *name, *location;
    if (described != NULL && PyArg_ParseTuple(described, "UU", &name, &location)) {
        identity = identity_named(name, kind, location);
    }
    Py_XDECREF(described);
    return identity;
}

static Identity *
identity_of_frame(Kind kind, PyFrameObject *frame)
{
    CodePlaces *known = places_of_frame(frame);
    Place *place = known == NULL ? NULL : place_at(known, PyFrame_GetLasti(frame));
    if (place == NULL) {
        return NULL;
    }
    if (place->identities[kind] == NULL) {
        Identity *identity = identity_described(kind, frame);
        place->identities[kind] = identity;
    }
    return place->identities[kind];
}

static Identity *
identity_slowly(Kind kind, PyObject *name)
{
    PyFrameObject *frame = frame_charged(PyThreadState_GetFrame(PyThreadState_Get()));
    Identity *identity = NULL;
    if (name == NULL && frame != NULL) {
        identity = identity_of_frame(kind, frame);
    }
    else {
        PyObject *location = frame == NULL ? PyUnicode_FromString("") : location_of(frame);
        PyObject *called = name == NULL ? PyUnicode_FromString("unknown") : PyUnicode_FromObject(name);
        if (location != NULL && called != NULL) {
            identity = identity_named(called, kind, location);
        }
        Py_XDECREF(called);
        Py_XDECREF(location);
    }
    Py_XDECREF(frame);
    return identity;
}

/* An error inside the telemetry must not keep the program from its lock. What is no Exception, KeyboardInterrupt for
 * one, was meant for the program and goes there. */
static Identity *
identity_despite_error(void)
{
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception)) {
        return NULL;
    }
    count_fault();
    return &unobserved_identity;
}

Identity *
identity_created(Kind kind, PyObject *name)
{
    if (is_hidden()) {
        return &unobserved_identity;
    }
    const Place *place = name == NULL ? place_of_this_thread() : NULL;
    if (place != NULL && place->identities[kind] != NULL) {
        return place->identities[kind];
    }
    Identity *identity = identity_slowly(kind, name);
    return identity != NULL ? identity : identity_despite_error();
}
