/* From a frame to the identity of the locks created there, or to the site that a wait is charged to.
 *
 * What is known of a code object is kept in a weak reference to it, which a table leads to by the address of the code, so
 * that a place that was seen before costs one look there, and no code object is kept alive. When one dies, its reference
 * is told and leaves the table. (The extra slots of code objects would be the place for this, were it not that the
 * interpreter then calls the functions of all others that use them, for each such code object, with what they never
 * stored.) */
#include "core.h"

#include <string.h>

#define MAX_SITES 2000
#define MAX_STEPS 500 /* up a stack, looking for the program; a recursion of a library may be far deeper */

/* How the standard library came from a place of the program to the creation of a lock of its own. */
typedef struct Route {
    struct Route *next;
    uint64_t hash;
    Identity *identities[KIND_COUNT];
} Route;

typedef struct {
    int offset;
    Identity *identities[KIND_COUNT]; /* NULL until a lock was created here */
    Route *routes;
    PyObject *site;                   /* borrowed from `sites`; NULL until a wait was charged here */
} Place;

/* A hash table by open addressing; once added, a place stays where it is. */
typedef struct {
    Place **slots;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
} Places;

typedef struct {
    PyWeakReference reference; /* to the code object, whatever has its address meanwhile */
    const PyCodeObject *code;  /* an address only */
    bool internal;    /* charged to the caller */
    bool ours;        /* internal, and no part of the way to a place either */
    bool of_an_sdk;   /* what it makes serves telemetry alone and is not observed */
    bool imports;     /* the import system, whose locks are not observed */
    bool reacquires;  /* see `mark_reacquisition` */
    PyObject *blocks; /* see `mark_blocking`; borrowed from `kinds`, NULL for most */
    Places places;
} CodePlaces;

PyObject *unknown_site;
PyObject *other_site;
PyObject *gil_site;

static PyTypeObject CodePlacesType;
static PyObject *sites; /* dict: site -> itself; nothing is ever removed, so borrowed references stay valid */
static PyObject *kinds; /* dict: what is waited for -> itself; likewise */
static PyObject *describe_place;
static PyObject *describe_part;
static PyObject *import_system;
static PyObject *internal_prefixes;
static PyObject *standard_library;
static PyObject *package_folders;
static PyObject *telemetry_folders;
static PyObject *sdk_folders;

/* ---- what is internal: `code_origin.is_internal`, without running Python code ---- */

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

/* ---- the places of one code object ---- */

static inline uint32_t
hash_of_offset(int offset)
{
    return (uint32_t)offset * UINT32_C(0x9E3779B9) >> 7;
}

/* The slot of a place, or the free one that it belongs to. There is always a free one. */
static inline Place **
slot_of_place(Place **slots, uint32_t capacity, int offset)
{
    uint32_t slot = hash_of_offset(offset) & (capacity - 1);
    while (slots[slot] != NULL && slots[slot]->offset != offset) {
        slot = (slot + 1) & (capacity - 1);
    }
    return &slots[slot];
}

static inline Place *
place_known(const CodePlaces *known, int offset)
{
    const Places *places = &known->places;
    return places->capacity == 0 ? NULL : *slot_of_place(places->slots, places->capacity, offset);
}

/* At most half of the slots are ever taken. */
static int
places_grow(Places *places)
{
    uint32_t capacity = places->capacity == 0 ? 2 : 2 * places->capacity;
    Place **slots = PyMem_RawCalloc(capacity, sizeof(Place *));
    if (slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t i = 0; i < places->capacity; i++) {
        if (places->slots[i] != NULL) {
            *slot_of_place(slots, capacity, places->slots[i]->offset) = places->slots[i];
        }
    }
    PyMem_RawFree(places->slots);
    places->slots = slots;
    places->capacity = capacity;
    return 0;
}

static Place *
place_at(CodePlaces *known, int offset)
{
    Place *place = place_known(known, offset);
    if (place != NULL) {
        return place;
    }
    Places *places = &known->places;
    if (2 * (places->count + 1) > places->capacity && places_grow(places) < 0) {
        return NULL;
    }
    place = PyMem_RawCalloc(1, sizeof(Place));
    if (place == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    place->offset = offset;
    *slot_of_place(places->slots, places->capacity, offset) = place;
    places->count++;
    return place;
}

static void
places_free(Places *places)
{
    for (uint32_t i = 0; i < places->capacity; i++) {
        Place *place = places->slots[i];
        while (place != NULL && place->routes != NULL) {
            Route *route = place->routes;
            place->routes = route->next;
            PyMem_RawFree(route);
        }
        PyMem_RawFree(place);
    }
    PyMem_RawFree(places->slots);
}

/* ---- what is known of a code object ---- */

#define FIRST_CODES 256

typedef struct {
    const PyCodeObject *code; /* NULL: a free slot */
    CodePlaces *known;        /* a strong reference */
} CodeSlot;

/* All code objects that are known, a hash table by open addressing. */
static CodeSlot *codes = NULL;
static size_t code_capacity = 0; /* a power of two */
static size_t code_count = 0;
static PyObject *forget_code;

static inline size_t
home_of_code(const PyCodeObject *code)
{
    return (size_t)(((uint64_t)(uintptr_t)code * UINT64_C(0x9E3779B97F4A7C15)) >> 24) & (code_capacity - 1);
}

/* The slot of a code object, or the free one that it belongs to. There is always a free one. */
static inline CodeSlot *
slot_of_code(const PyCodeObject *code)
{
    size_t slot = home_of_code(code);
    while (codes[slot].code != NULL && codes[slot].code != code) {
        slot = (slot + 1) & (code_capacity - 1);
    }
    return &codes[slot];
}

static int
codes_resize(size_t capacity)
{
    CodeSlot *slots = PyMem_RawCalloc(capacity, sizeof(CodeSlot));
    if (slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    CodeSlot *former = codes;
    size_t former_capacity = code_capacity;
    codes = slots;
    code_capacity = capacity;
    for (size_t i = 0; i < former_capacity; i++) {
        if (former[i].code != NULL) {
            *slot_of_code(former[i].code) = former[i];
        }
    }
    PyMem_RawFree(former);
    return 0;
}

/* Whoever was pushed on by what stood there moves up, so that no search ends too early. */
static void
slot_clear(CodeSlot *cleared)
{
    size_t hole = (size_t)(cleared - codes);
    for (size_t slot = (hole + 1) & (code_capacity - 1); codes[slot].code != NULL;
         slot = (slot + 1) & (code_capacity - 1)) {
        size_t home = home_of_code(codes[slot].code);
        if (((slot - home) & (code_capacity - 1)) >= ((slot - hole) & (code_capacity - 1))) {
            codes[hole] = codes[slot];
            hole = slot;
        }
    }
    codes[hole] = (CodeSlot){NULL, NULL};
    code_count--;
}

/* Called with the reference to a code object that dies, which refers to nothing by now. */
static PyObject *
code_dies(PyObject *Py_UNUSED(self), PyObject *reference)
{
    CodePlaces *known = (CodePlaces *)reference;
    CodeSlot *slot = slot_of_code(known->code);
    if (slot->known == known) {
        slot_clear(slot);
        Py_DECREF(known);
    }
    Py_RETURN_NONE;
}

static PyMethodDef code_dies_def = {"forget_code", code_dies, METH_O, NULL};

static CodePlaces *
code_places_new(PyCodeObject *code)
{
    PAUSE_COLLECTOR;
    PyObject *args = PyTuple_Pack(2, code, forget_code);
    CodePlaces *known =
        args == NULL ? NULL : (CodePlaces *)_PyWeakref_RefType.tp_new(&CodePlacesType, args, NULL);
    Py_XDECREF(args);
    RESUME_COLLECTOR;
    if (known != NULL) {
        known->code = code;
        known->internal = is_internal(code->co_filename);
        known->of_an_sdk = contains_any(code->co_filename, sdk_folders);
        known->ours = starts_with(code->co_filename, PyTuple_GET_ITEM(internal_prefixes, 0));
        known->imports = starts_with(code->co_filename, import_system);
    }
    return known;
}

static void
code_places_dealloc(PyObject *self)
{
    places_free(&((CodePlaces *)self)->places);
    _PyWeakref_RefType.tp_dealloc(self);
}

static PyTypeObject CodePlacesType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "thread._core.CodePlaces",
    .tp_basicsize = sizeof(CodePlaces),
    .tp_base = &_PyWeakref_RefType,
    .tp_dealloc = code_places_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

NOINLINE static CodePlaces *
code_add(PyCodeObject *code)
{
    if (2 * (code_count + 1) > code_capacity && codes_resize(2 * code_capacity) < 0) {
        return NULL;
    }
    CodePlaces *known = code_places_new(code);
    if (known == NULL) {
        return NULL;
    }
    CodeSlot *slot = slot_of_code(code);
    if (slot->code != NULL) {
        /* Of a code object that had the address before, and whose end was not told for want of memory. */
        Py_SETREF(slot->known, known);
        return known;
    }
    *slot = (CodeSlot){code, known};
    code_count++;
    return known;
}

/* A borrowed reference that is valid as long as the code; NULL with an exception set. */
static inline CodePlaces *
places_of(PyCodeObject *code)
{
    CodePlaces *known = slot_of_code(code)->known;
    if (LIKELY(known != NULL && known->reference.wr_object == (PyObject *)code)) {
        return known;
    }
    return code_add(code);
}

static int
codes_init(void)
{
    forget_code = PyCFunction_New(&code_dies_def, NULL);
    if (forget_code == NULL || PyType_Ready(&CodePlacesType) < 0) {
        return -1;
    }
    return codes_resize(FIRST_CODES);
}

static int
code_origin_init(void)
{
    PyObject *origin = PyImport_ImportModule("thread._base.code_origin");
    if (origin == NULL) {
        return -1;
    }
    internal_prefixes = PyObject_GetAttrString(origin, "INTERNAL_PREFIXES");
    standard_library = PyObject_GetAttrString(origin, "STANDARD_LIBRARY");
    package_folders = PyObject_GetAttrString(origin, "PACKAGE_FOLDERS");
    telemetry_folders = PyObject_GetAttrString(origin, "TELEMETRY_FOLDERS");
    sdk_folders = PyObject_GetAttrString(origin, "SDK_FOLDERS");
    Py_DECREF(origin);
    return PyErr_Occurred() ? -1 : 0;
}

int
places_init(PyObject *naming)
{
    if (codes_init() < 0) {
        return -1;
    }
    sites = PyDict_New();
    kinds = PyDict_New();
    unknown_site = PyObject_GetAttrString(naming, "UNKNOWN_SITE");
    other_site = PyObject_GetAttrString(naming, "OTHER_SITE");
    gil_site = PyObject_GetAttrString(naming, "GIL_SITE");
    describe_place = PyObject_GetAttrString(naming, "describe_place");
    describe_part = PyObject_GetAttrString(naming, "describe_part");
    import_system = PyObject_GetAttrString(naming, "IMPORT_SYSTEM");
    return PyErr_Occurred() ? -1 : code_origin_init();
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

static CodePlaces *
places_of_object(PyObject *code)
{
    if (!PyCode_Check(code)) {
        PyErr_Format(PyExc_TypeError, "expected a code object, got %.100s", Py_TYPE(code)->tp_name);
        return NULL;
    }
    return places_of((PyCodeObject *)code);
}

int
mark_reacquisition(PyObject *code)
{
    CodePlaces *known = places_of_object(code);
    if (known == NULL) {
        return -1;
    }
    known->reacquires = true;
    return 0;
}

int
mark_blocking(PyObject *code, PyObject *kind)
{
    CodePlaces *known = places_of_object(code);
    if (known == NULL) {
        return -1;
    }
    known->blocks = PyDict_SetDefault(kinds, kind, kind);
    return known->blocks == NULL ? -1 : 0;
}

bool
is_reacquisition(void)
{
    int offset;
    PyCodeObject *code = innermost_code(&offset);
    if (code == NULL) {
        return false;
    }
    const CodePlaces *known = places_of(code);
    Py_DECREF(code); /* still running, hence alive */
    if (known == NULL) {
        PyErr_Clear();
    }
    return known != NULL && known->reacquires;
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

/* The nearest frame of the program itself, else the innermost. Takes and returns a strong reference; NULL stays NULL.
 * Says whether code of an SDK was on the way there. */
static PyFrameObject *
frame_charged(PyFrameObject *innermost, bool *through_an_sdk)
{
    PyFrameObject *frame = (PyFrameObject *)Py_XNewRef(innermost);
    *through_an_sdk = false;
    for (int steps = 0; frame != NULL && steps < MAX_STEPS; steps++) {
        CodePlaces *known = places_of_frame(frame);
        if (known == NULL) {
            PyErr_Clear();
        }
        else if (!known->internal) {
            Py_DECREF(innermost);
            return frame;
        }
        else if (known->of_an_sdk) {
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
    if (place_of_this_thread() != NULL) {
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
    const Place *place = place_of_this_thread();
    if (place != NULL && place->site != NULL) {
        return place->site;
    }
    return site_or_unknown(PyThreadState_GetFrame(PyThreadState_Get()));
}

/* ---- waits that are no contention ---- */

/* What was made by a library, as a connection pool is, is waited for by whoever called the library: its own frames are
 * passed over, or in its own threads all but the last. */
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

/* Where the program waits, without a frame object, and for what; NULL unless the site is known already. */
static PyObject *
site_blocked(PyObject **kind, PyObject *library)
{
    Walk walk = {false, NULL};
    PyObject *waits_for = *kind;
    PyCodeObject *code;
    bool in_library = false;
    int offset = 0;
    for (int steps = 0; steps < MAX_STEPS && (code = next_code(&walk, &offset)) != NULL; steps++) {
        const CodePlaces *known = places_of(code);
        if (known == NULL || known->of_an_sdk) {
            PyErr_Clear();
            return NULL;
        }
        if (is_of_library(code, library)) {
            in_library = true;
        }
        else if (!known->internal) {
            const Place *place = place_known(known, offset);
            *kind = waits_for;
            return place == NULL ? NULL : place->site;
        }
        else if (!in_library) {
            waits_for = known->blocks != NULL ? known->blocks : waits_for;
        }
    }
    return NULL;
}

static bool
frame_is_of_library(PyFrameObject *frame, PyObject *library)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    bool found = is_of_library(code, library);
    Py_DECREF(code); /* the frame holds it */
    return found;
}

/* The nearest frame of the program itself, else the outermost of the library, NULL if there is none. Takes and returns a
 * strong reference. `kind` becomes what the outermost function on the way there was declared to wait for. */
static PyFrameObject *
frame_blocked(PyFrameObject *frame, PyObject *library, PyObject **kind, bool *through_an_sdk)
{
    PyFrameObject *of_library = NULL;
    *through_an_sdk = false;
    for (int steps = 0; frame != NULL && steps < MAX_STEPS; steps++) {
        const CodePlaces *known = places_of_frame(frame);
        if (known == NULL) {
            PyErr_Clear();
        }
        else if (frame_is_of_library(frame, library)) {
            Py_XSETREF(of_library, (PyFrameObject *)Py_NewRef(frame));
        }
        else if (!known->internal) {
            Py_XDECREF(of_library);
            return frame;
        }
        else if (of_library == NULL) {
            *kind = known->blocks != NULL ? known->blocks : *kind;
            *through_an_sdk |= known->of_an_sdk;
        }
        Py_SETREF(frame, frame_back(frame));
    }
    Py_XDECREF(frame);
    return of_library;
}

/* In a thread in which nothing of the program runs, such as that of a timer: what called the outermost function that
 * was declared to wait, else the telemetry. Takes and returns a strong reference. */
static PyFrameObject *
frame_blocked_elsewhere(PyFrameObject *frame)
{
    PyFrameObject *caller = NULL;
    for (int steps = 0; frame != NULL && steps < MAX_STEPS; steps++) {
        const CodePlaces *known = places_of_frame(frame);
        PyFrameObject *outer = frame_back(frame);
        if (known == NULL) {
            PyErr_Clear();
        }
        else if (caller == NULL && !known->ours) {
            caller = (PyFrameObject *)Py_NewRef(frame);
        }
        if (known != NULL && known->blocks != NULL && outer != NULL) {
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
        frame = frame_blocked_elsewhere((PyFrameObject *)Py_NewRef(innermost));
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

static PyObject *
location_of(PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *location =
        PyUnicode_FromFormat("%U:%d", code->co_filename, PyCode_Addr2Line(code, PyFrame_GetLasti(frame)));
    Py_DECREF(code);
    return location;
}

/* ---- the way from a place to a lock that the standard library makes for itself ---- */

#define MAX_ROUTES 64 /* of one place; what comes by another one is described anew each time */

static bool
frame_is_ours(PyFrameObject *frame)
{
    const CodePlaces *known = places_of_frame(frame);
    if (known == NULL) {
        PyErr_Clear();
    }
    return known != NULL && known->ours;
}

/* 0 if the program made the lock itself. */
static uint64_t
route_hash(PyFrameObject *innermost, const PyFrameObject *charged)
{
    uint64_t hash = 0;
    PyFrameObject *frame = (PyFrameObject *)Py_NewRef(innermost);
    while (frame != NULL && frame != charged) {
        if (!frame_is_ours(frame)) {
            /* Not by its address, which another code object has when this one is gone. */
            PyCodeObject *code = PyFrame_GetCode(frame);
            hash = (hash ^ (uint64_t)PyObject_Hash(code->co_filename)) * UINT64_C(0x9E3779B97F4A7C15);
            hash = (hash ^ (hash >> 32) ^ (uint64_t)PyObject_Hash(code->co_qualname)) * UINT64_C(0x9E3779B97F4A7C15);
            hash = (hash ^ (hash >> 32) ^ (uint64_t)PyFrame_GetLasti(frame)) * UINT64_C(0x9E3779B97F4A7C15);
            Py_DECREF(code);
        }
        Py_SETREF(frame, frame_back(frame));
    }
    Py_XDECREF(frame);
    return hash;
}

static PyObject *
route_step(PyFrameObject *frame)
{
    PyObject *module = frame_module(frame);
    return module == NULL ? NULL : Py_BuildValue("NiN", PyFrame_GetCode(frame), PyFrame_GetLasti(frame), module);
}

/* A list of code, offset and module of each frame on the way, innermost first. */
static PyObject *
route_read(PyFrameObject *innermost, const PyFrameObject *charged)
{
    PyObject *steps = PyList_New(0);
    PyFrameObject *frame = (PyFrameObject *)Py_NewRef(innermost);
    while (frame != NULL && frame != charged) {
        if (steps != NULL && !frame_is_ours(frame)) {
            steps = rows_with(steps, route_step(frame));
        }
        Py_SETREF(frame, frame_back(frame));
    }
    Py_XDECREF(frame);
    return steps;
}

static Route *
route_known(const Place *place, uint64_t hash, int *count)
{
    Route *route = place->routes;
    for (*count = 0; route != NULL && route->hash != hash; route = route->next) {
        ++*count;
    }
    return route;
}

static void
route_remember(Place *place, uint64_t hash, Kind kind, Identity *identity)
{
    int count;
    Route *route = route_known(place, hash, &count);
    if (route == NULL && count < MAX_ROUTES) {
        route = PyMem_RawCalloc(1, sizeof(Route));
        if (route != NULL) {
            route->hash = hash;
            route->next = place->routes;
            place->routes = route;
        }
    }
    if (route != NULL) {
        route->identities[kind] = identity;
    }
}

/* ---- identities of locks ---- */

/* `shop.jobs:Jobs._queue`, or `shop.jobs:Jobs._queue (Queue.mutex)` for a part of what was made there. */
static Identity *
identity_of_part(Kind kind, PyObject *place_name, PyObject *part, PyObject *location)
{
    if (part == Py_None) {
        return identity_named(place_name, kind, location, place_name);
    }
    PyObject *name = PyUnicode_FromFormat("%U (%U)", place_name, part);
    Identity *identity = name == NULL ? NULL : identity_named(name, kind, location, place_name);
    Py_XDECREF(name);
    return identity;
}

/* Runs Python code, but once for each place and route only. */
static Identity *
identity_described(Kind kind, PyFrameObject *charged, PyFrameObject *innermost)
{
    PyObject *module = frame_module(charged);
    if (module == NULL) {
        return NULL;
    }
    PyCodeObject *code = PyFrame_GetCode(charged);
    PyObject *described = PyObject_CallFunction(describe_place, "OiO", code, PyFrame_GetLasti(charged), module);
    Py_DECREF(code);
    Py_DECREF(module);
    PyObject *steps = described == NULL ? NULL : route_read(innermost, charged);
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
identity_of_frame(Kind kind, PyFrameObject *charged, PyFrameObject *innermost)
{
    CodePlaces *known = places_of_frame(charged);
    Place *place = known == NULL ? NULL : place_at(known, PyFrame_GetLasti(charged));
    if (place == NULL) {
        return NULL;
    }
    int count;
    uint64_t hash = route_hash(innermost, charged);
    const Route *route = hash == 0 ? NULL : route_known(place, hash, &count);
    Identity *identity = route != NULL ? route->identities[kind] : hash == 0 ? place->identities[kind] : NULL;
    if (identity != NULL) {
        return identity;
    }
    /* Describing can run a finalizer on 3.11, but places are only ever added: `place` stays valid. */
    identity = identity_described(kind, charged, innermost);
    if (hash == 0) {
        place->identities[kind] = identity;
    }
    else if (identity != NULL) {
        route_remember(place, hash, kind, identity);
    }
    return identity;
}

static bool
is_importing(PyFrameObject *innermost)
{
    const CodePlaces *known = places_of_frame(innermost);
    if (known == NULL) {
        PyErr_Clear();
    }
    return known != NULL && known->imports;
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
identity_slowly(Kind kind, PyObject *name)
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
    Identity *identity = through_an_sdk ? &unobserved_identity
                         : name != NULL ? identity_given(kind, name, charged)
                                        : identity_of_frame(kind, charged, innermost);
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
    const Place *place = name == NULL ? place_of_this_thread() : NULL;
    if (place != NULL && place->identities[kind] != NULL) {
        return place->identities[kind];
    }
    Identity *identity = identity_slowly(kind, name);
    /* An error inside the telemetry must not keep the program from its lock. */
    return identity != NULL || !absorb_internal_error() ? identity : &unobserved_identity;
}
