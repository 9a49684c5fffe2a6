/* The span of a trace that a thread runs in.
 *
 * A tracing library keeps the current span in a context variable, in a mapping under a key; the span keeps its context,
 * a tuple that begins with the identifier of the trace, in an attribute. The library tells their names, see `Tracing`
 * in tracing.py. All of it is read by operations of the interpreter alone, with no Python code run: this
 * happens on threads that wait for a lock, and of threads that hold one. */
#include "spans.h"
#include "runtime.h"
#include "targets.h"

typedef struct {
    PyObject *variable; /* NULL: nothing traces */
    PyObject *span_key;
    PyObject *context_attribute;
    PyObject *context_type;
    PyObject *thread_span_type;
    PyObject *prepare_thread;
} Tracing;

static Tracing tracing = {NULL, NULL, NULL, NULL, NULL, NULL};

/* ---- reading ---- */

static PyObject *
span_in(PyObject *mapping)
{
    if (mapping == NULL || !PyDict_Check(mapping)) {
        return NULL;
    }
    return Py_XNewRef(PyDict_GetItemWithError(mapping, tracing.span_key));
}

static PyObject *
span_of_this_thread(void)
{
    PyObject *mapping = NULL;
    PyObject *span = PyContextVar_Get(tracing.variable, NULL, &mapping) < 0 ? NULL : span_in(mapping);
    Py_XDECREF(mapping);
    return span;
}

/* The first state of a thread that has one: see frame_of_thread. */
static PyObject *
context_of_thread(unsigned long ident)
{
    PyObject *context = NULL;
    PyThreadState *tstate = ident == 0 ? NULL : PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; tstate != NULL && context == NULL; tstate = PyThreadState_Next(tstate)) {
        if (tstate->thread_id == ident) {
            context = tstate->context;
        }
    }
    return Py_XNewRef(context);
}

static PyObject *
span_of_thread(unsigned long ident)
{
    PyObject *context = context_of_thread(ident);
    PyObject *mapping = context == NULL ? NULL : PyObject_GetItem(context, tracing.variable);
    PyObject *span = span_in(mapping);
    Py_XDECREF(mapping);
    Py_XDECREF(context);
    return span;
}

/* The object that a weak reference leads to: a strong reference, NULL if it is gone or `reference` is None. */
static PyObject *
referent_of(PyObject *reference)
{
    if (reference == NULL || !PyWeakref_CheckRef(reference)) {
        return NULL;
    }
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *referent = NULL;
    (void)PyWeakref_GetRef(reference, &referent);
    return referent;
#else
    PyObject *referent = PyWeakref_GetObject(reference);
    return referent == Py_None ? NULL : Py_NewRef(referent);
#endif
}

/* Whether the context of a span is known now. That of a thread's own span is made only when somebody wants it, so such
 * a span stands for its context, for as long as the span of its starter exists. */
static bool
identifies_trace(PyObject *span, PyObject *attributes, PyObject **found)
{
    if ((PyObject *)Py_TYPE(span) == tracing.thread_span_type) {
        PyObject *starter = referent_of(PyDict_GetItemString(attributes, "starter"));
        *found = span;
        Py_XDECREF(starter);
        return starter != NULL;
    }
    *found = PyDict_GetItemWithError(attributes, tracing.context_attribute);
    return *found != NULL && PyTuple_Check(*found) && PyTuple_GET_SIZE(*found) > 0 &&
           PyLong_CheckExact(PyTuple_GET_ITEM(*found, 0)) && PyObject_IsTrue(PyTuple_GET_ITEM(*found, 0)) == 1;
}

/* Takes the reference to the span. None if it identifies no trace. */
static PyObject *
context_of_span(PyObject *span)
{
    PyObject *attributes = span == NULL ? NULL : PyObject_GenericGetDict(span, NULL);
    PyObject *found = NULL;
    if (attributes == NULL || !identifies_trace(span, attributes, &found)) {
        found = Py_None;
    }
    Py_INCREF(found);
    Py_XDECREF(attributes);
    Py_XDECREF(span);
    PyErr_Clear(); /* of a thread without the variable, or a span of another make */
    return found;
}

PyObject *
span_context_of_this_thread(void)
{
    return tracing.variable == NULL ? Py_NewRef(Py_None) : context_of_span(span_of_this_thread());
}

PyObject *
span_context_of_thread(unsigned long ident)
{
    return tracing.variable == NULL ? Py_NewRef(Py_None) : context_of_span(span_of_thread(ident));
}

/* ---- threads ---- */

/* The span of a new thread, made by its type without a call of Python code. It refers to the span of its starter. */
static PyObject *
thread_span_new(PyObject *starter, PyObject *starter_context)
{
    PyTypeObject *type = (PyTypeObject *)tracing.thread_span_type;
    PyObject *no_args = PyTuple_New(0);
    PyObject *span = no_args == NULL ? NULL : PyBaseObject_Type.tp_new(type, no_args, NULL);
    PyObject *reference = span == NULL ? NULL : PyWeakref_NewRef(starter, NULL);
    if (reference == NULL || PyObject_SetAttrString(span, "starter", reference) < 0 ||
        PyObject_SetAttrString(span, "starter_context", starter_context) < 0) {
        Py_CLEAR(span);
    }
    Py_XDECREF(reference);
    Py_XDECREF(no_args);
    return span;
}

/* A context in which a span is current, or none is. */
static PyObject *
context_with(PyObject *span)
{
    PyObject *entries = PyDict_New();
    PyObject *context = NULL;
    if (entries != NULL && (span == NULL || PyDict_SetItem(entries, tracing.span_key, span) == 0)) {
        context = PyObject_CallOneArg(tracing.context_type, entries);
    }
    Py_XDECREF(entries);
    return context;
}

/* A `threading.Thread` may belong to no trace, and may need its context elsewhere too. Runs Python code. */
static int
thread_prepare(ThreadTrace *trace, PyObject *function)
{
    PyObject *hook = Py_NewRef(tracing.prepare_thread); /* it may be replaced while it runs */
    PyObject *joins = PyObject_CallFunctionObjArgs(hook, function, trace->span, NULL);
    Py_DECREF(hook);
    int is_in_trace = joins == NULL ? -1 : PyObject_IsTrue(joins);
    Py_XDECREF(joins);
    if (is_in_trace == 0) {
        Py_CLEAR(trace->span);
    }
    return is_in_trace;
}

static int
trace_new(ThreadTrace *trace, PyObject *starter, PyObject *function)
{
    trace->span = thread_span_new(starter, trace->starter_context);
    if (trace->span == NULL || (may_start_untracked_thread(function) && thread_prepare(trace, function) < 0)) {
        return -1;
    }
    trace->current = tracing.variable == NULL ? NULL : context_with(trace->span);
    return trace->current == NULL ? -1 : 0;
}

int
thread_trace_request(ThreadTrace *trace, PyObject *function)
{
    PyObject *starter = tracing.variable == NULL ? NULL : span_of_this_thread();
    PyObject *context = starter == NULL ? NULL : context_of_span(Py_NewRef(starter));
    int result = 0;
    if (context != NULL && context != Py_None) {
        trace->starter_context = Py_NewRef(context);
        if (trace_new(trace, starter, function) < 0) {
            result = absorb_internal_error() ? 0 : -1;
            Py_CLEAR(trace->span);
        }
    }
    Py_XDECREF(context);
    Py_XDECREF(starter);
    return result;
}

void
thread_trace_begin(ThreadTrace *trace)
{
    if (trace->current != NULL && tracing.variable != NULL) {
        PyObject *token = PyContextVar_Set(tracing.variable, trace->current);
        if (token == NULL) {
            count_internal_error();
        }
        Py_XDECREF(token);
    }
    Py_CLEAR(trace->current);
}

PyObject *
thread_trace_end(const ThreadTrace *trace)
{
    PyObject *attributes = trace->span == NULL ? NULL : PyObject_GenericGetDict(trace->span, NULL);
    PyObject *starter = attributes == NULL ? NULL : referent_of(PyDict_GetItemString(attributes, "starter"));
    Py_XDECREF(attributes);
    return Py_BuildValue("OON", trace->starter_context == NULL ? Py_None : trace->starter_context,
                         trace->span == NULL ? Py_None : trace->span, starter == NULL ? Py_NewRef(Py_None) : starter);
}

void
thread_trace_drop(ThreadTrace *trace)
{
    Py_CLEAR(trace->starter_context);
    Py_CLEAR(trace->span);
    Py_CLEAR(trace->current);
}

/* ---- settings ---- */

static int
tracing_read(Tracing *read, PyObject *given)
{
    const char *const names[] = {"variable",     "span_key",         "context_attribute",
                                 "context_type", "thread_span_type", "prepare_thread"};
    PyObject **const values[] = {&read->variable,     &read->span_key,         &read->context_attribute,
                                 &read->context_type, &read->thread_span_type, &read->prepare_thread};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        *values[i] = PyObject_GetAttrString(given, names[i]);
        if (*values[i] == NULL) {
            return -1;
        }
    }
    if (!PyContextVar_CheckExact(read->variable)) {
        PyErr_Format(PyExc_TypeError, "Tracing.variable must be a ContextVar, not %.100s",
                     Py_TYPE(read->variable)->tp_name);
        return -1;
    }
    if (!PyType_Check(read->thread_span_type)) {
        PyErr_Format(PyExc_TypeError, "Tracing.thread_span_type must be a class, not %.100s",
                     Py_TYPE(read->thread_span_type)->tp_name);
        return -1;
    }
    return 0;
}

static void
tracing_drop(Tracing *dropped)
{
    Py_XDECREF(dropped->variable);
    Py_XDECREF(dropped->span_key);
    Py_XDECREF(dropped->context_attribute);
    Py_XDECREF(dropped->context_type);
    Py_XDECREF(dropped->thread_span_type);
    Py_XDECREF(dropped->prepare_thread);
}

static PyObject *
set_tracing(PyObject *Py_UNUSED(module), PyObject *given)
{
    Tracing wanted = {NULL, NULL, NULL, NULL, NULL, NULL};
    if (given != Py_None && tracing_read(&wanted, given) < 0) {
        tracing_drop(&wanted);
        return NULL;
    }
    Tracing former = tracing;
    tracing = wanted;
    tracing_drop(&former);
    Py_RETURN_NONE;
}

static PyObject *
current_span(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return span_context_of_this_thread();
}

PyMethodDef spans_functions[] = {
    {"set_tracing", set_tracing, METH_O, NULL},
    {"current_span", current_span, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
