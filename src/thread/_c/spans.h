/* The span of a trace that a thread runs in. */
#ifndef THREAD_SPANS_H
#define THREAD_SPANS_H

#include "core.h"

/* The context of the span that a thread runs in, None if there is none or nothing traces. */
PyObject *span_context_of_this_thread(void);
PyObject *span_context_of_thread(unsigned long ident);

/* The trace that a thread was started in. All of it NULL: it was started in none. */
typedef struct {
    PyObject *starter_context; /* of the span that it was started in */
    PyObject *span;            /* the thread's own; NULL also if it belongs to no trace */
    PyObject *current;         /* the future value of the tracer's variable in the thread; NULL once it is set */
} ThreadTrace;

/* In the thread that starts another. -1 if the program raised something meanwhile. */
int thread_trace_request(ThreadTrace *trace, PyObject *function);
/* In the new thread. */
void thread_trace_begin(ThreadTrace *trace);
/* At its end, the last three fields of its event: the context of the starter's span, the thread's span, and the span of
 * the starter itself if it still exists, so that the reader of the event can see when that ended. NULL with an
 * exception set. */
PyObject *thread_trace_end(const ThreadTrace *trace);
void thread_trace_drop(ThreadTrace *trace);

extern PyMethodDef spans_functions[];

#endif
