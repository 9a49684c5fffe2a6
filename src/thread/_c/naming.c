/* From the creation of a lock to its identity.
 *
 * The instruction of the program that creates it is looked up first, which takes no frame object. If the standard
 * library creates the lock for the program, the identity also depends on the path to it. */
#include "naming.h"
#include "code_info.h"
#include "frames.h"
#include "hash.h"
#include "runtime.h"
#include "sites.h"

static PyObject *describe_creation_site;
static PyObject *describe_part;

/* ---- the path from an instruction of the program to a lock that the standard library makes for itself ---- */

#define MAX_PATHS 64 /* of one instruction; a lock that is created by another path is described anew each time */

static bool
frame_is_ours(PyFrameObject *frame)
{
    const CodeInfo *info = code_info_of_frame(frame);
    if (info == NULL) {
        PyErr_Clear();
    }
    return info != NULL && info->ours;
}

/* 0 if the program made the lock itself. */
static uint64_t
path_hash(PyFrameObject *innermost, const PyFrameObject *charged)
{
    uint64_t hash = 0;
    PyFrameObject *frame = (PyFrameObject *)Py_NewRef(innermost);
    while (frame != NULL && frame != charged) {
        if (!frame_is_ours(frame)) {
            /* Not by its address: another code object can have it once this one is gone. */
            PyCodeObject *code = PyFrame_GetCode(frame);
            hash = mix_hash(hash, (uint64_t)PyObject_Hash(code->co_filename));
            hash = mix_hash(hash, (uint64_t)PyObject_Hash(code->co_qualname));
            hash = mix_hash(hash, (uint64_t)PyFrame_GetLasti(frame));
            Py_DECREF(code);
        }
        Py_SETREF(frame, frame_back(frame));
    }
    Py_XDECREF(frame);
    return hash;
}

static PyObject *
path_step(PyFrameObject *frame)
{
    PyObject *module = frame_module(frame);
    return module == NULL ? NULL : Py_BuildValue("NiN", PyFrame_GetCode(frame), PyFrame_GetLasti(frame), module);
}

/* A list of code, offset and module of each frame on the way, innermost first. */
static PyObject *
path_read(PyFrameObject *innermost, const PyFrameObject *charged)
{
    PyObject *steps = PyList_New(0);
    PyFrameObject *frame = (PyFrameObject *)Py_NewRef(innermost);
    while (frame != NULL && frame != charged) {
        if (steps != NULL && !frame_is_ours(frame)) {
            steps = rows_with(steps, path_step(frame));
        }
        Py_SETREF(frame, frame_back(frame));
    }
    Py_XDECREF(frame);
    return steps;
}

static CreationPath *
path_known(const Instruction *instruction, uint64_t hash, int *count)
{
    CreationPath *path = instruction->paths;
    for (*count = 0; path != NULL && path->hash != hash; path = path->next) {
        ++*count;
    }
    return path;
}

static void
path_remember(Instruction *instruction, uint64_t hash, Kind kind, Identity *identity)
{
    int count;
    CreationPath *path = path_known(instruction, hash, &count);
    if (path == NULL && count < MAX_PATHS) {
        path = PyMem_RawCalloc(1, sizeof(CreationPath));
        if (path != NULL) {
            path->hash = hash;
            path->next = instruction->paths;
            instruction->paths = path;
        }
    }
    if (path != NULL) {
        path->identities[kind] = identity;
    }
}

/* ---- the identity of a lock that has no name ---- */

/* `shop.jobs:Jobs._queue`, or `shop.jobs:Jobs._queue (Queue.mutex)` for a part of the object created there. */
static Identity *
identity_of_part(Kind kind, PyObject *site_name, PyObject *part, PyObject *location)
{
    if (part == Py_None) {
        return identity_named(site_name, kind, location, site_name);
    }
    PyObject *name = PyUnicode_FromFormat("%U (%U)", site_name, part);
    Identity *identity = name == NULL ? NULL : identity_named(name, kind, location, site_name);
    Py_XDECREF(name);
    return identity;
}

/* Runs Python code, but only once for each instruction and path. */
static Identity *
identity_described(Kind kind, PyFrameObject *charged, PyFrameObject *innermost)
{
    PyObject *module = frame_module(charged);
    if (module == NULL) {
        return NULL;
    }
    PyCodeObject *code = PyFrame_GetCode(charged);
    PyObject *described = PyObject_CallFunction(describe_creation_site, "OiO", code, PyFrame_GetLasti(charged), module);
    Py_DECREF(code);
    Py_DECREF(module);
    PyObject *steps = described == NULL ? NULL : path_read(innermost, charged);
    PyObject *part = steps == NULL ? NULL : PyObject_CallOneArg(describe_part, steps);
    Identity *identity = NULL;
    PyObject *name, *location;
    if (part != NULL && PyArg_ParseTuple(described, "UU", &name, &location)) {
        identity = identity_of_part(kind, name, part, location);
    }
    Py_XDECREF(part);
    Py_XDECREF(steps);
    Py_XDECREF(described);
    return identity;
}

static Identity *
identity_of_instruction(Instruction *instruction, Kind kind, PyFrameObject *charged, PyFrameObject *innermost)
{
    if (instruction->identities[kind] == NULL) {
        /* Describing can run a finalizer on 3.11, but instructions are only ever added: this one stays valid. */
        instruction->identities[kind] = identity_described(kind, charged, innermost);
    }
    return instruction->identities[kind];
}

static Identity *
identity_of_path(Instruction *instruction, uint64_t hash, Kind kind, PyFrameObject *charged, PyFrameObject *innermost)
{
    int count;
    const CreationPath *path = path_known(instruction, hash, &count);
    if (path != NULL && path->identities[kind] != NULL) {
        return path->identities[kind];
    }
    Identity *identity = identity_described(kind, charged, innermost);
    if (identity != NULL) {
        path_remember(instruction, hash, kind, identity);
    }
    return identity;
}

static Identity *
identity_of_frame(Kind kind, PyFrameObject *charged, PyFrameObject *innermost)
{
    CodeInfo *info = code_info_of_frame(charged);
    Instruction *instruction = info == NULL ? NULL : instruction_at(info, PyFrame_GetLasti(charged));
    if (instruction == NULL) {
        return NULL;
    }
    uint64_t hash = path_hash(innermost, charged);
    return hash == 0 ? identity_of_instruction(instruction, kind, charged, innermost)
                     : identity_of_path(instruction, hash, kind, charged, innermost);
}

/* ---- any lock ---- */

static bool
is_importing(PyFrameObject *innermost)
{
    const CodeInfo *info = code_info_of_frame(innermost);
    if (info == NULL) {
        PyErr_Clear();
    }
    return info != NULL && info->imports;
}

static PyObject *
location_of(PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *location =
        PyUnicode_FromFormat("%U:%d", code->co_filename, PyCode_Addr2Line(code, PyFrame_GetLasti(frame)));
    Py_DECREF(code);
    return location;
}

static Identity *
identity_given(Kind kind, PyObject *name, PyFrameObject *charged)
{
    PyObject *location = charged == NULL ? PyUnicode_FromString("") : location_of(charged);
    PyObject *called = name == NULL ? PyUnicode_FromString("unknown") : PyUnicode_FromObject(name);
    Identity *identity = NULL;
    if (location != NULL && called != NULL) {
        identity = identity_named(called, kind, location, called);
    }
    Py_XDECREF(called);
    Py_XDECREF(location);
    return identity;
}

static Identity *
identity_lookup_slow(Kind kind, PyObject *name)
{
    PyFrameObject *innermost = PyThreadState_GetFrame(PyThreadState_Get());
    if (innermost == NULL) {
        return identity_given(kind, name, NULL);
    }
    if (is_importing(innermost)) {
        Py_DECREF(innermost);
        return &unobserved_identity;
    }
    bool through_an_sdk;
    PyFrameObject *charged = frame_charged((PyFrameObject *)Py_NewRef(innermost), &through_an_sdk);
    Identity *identity;
    if (through_an_sdk) {
        identity = &unobserved_identity;
    }
    else if (name != NULL) {
        identity = identity_given(kind, name, charged);
    }
    else {
        identity = identity_of_frame(kind, charged, innermost);
    }
    Py_DECREF(charged);
    Py_DECREF(innermost);
    return identity;
}

Identity *
identity_created(Kind kind, PyObject *name)
{
    if (is_untracked()) {
        return &unobserved_identity;
    }
    const Instruction *instruction = name == NULL ? instruction_of_this_thread() : NULL;
    if (instruction != NULL && instruction->identities[kind] != NULL) {
        return instruction->identities[kind];
    }
    Identity *identity = identity_lookup_slow(kind, name);
    /* An error inside the telemetry must not keep the program from its lock. */
    return identity != NULL || !absorb_internal_error() ? identity : &unobserved_identity;
}

int
naming_init(void)
{
    describe_creation_site = attribute_of_module("thread._inspection.naming", "describe_creation_site");
    describe_part = attribute_of_module("thread._inspection.naming", "describe_part");
    return PyErr_Occurred() ? -1 : 0;
}
