/* Reading frames of this and of other threads. */
#ifndef THREAD_FRAMES_H
#define THREAD_FRAMES_H

#include "core.h"

/* The code (a strong reference) and the byte offset that this thread is at; NULL when it runs no Python code. */
PyCodeObject *innermost_code(int *offset);

/* Walk from the code that this thread runs (borrowed, it is running) to its callers, innermost first. NULL at the end
 * of the stack, and at once on versions that need frame objects for it. */
typedef struct {
    bool started;
    struct _PyInterpreterFrame *frame;
} Walk;
PyCodeObject *next_code(Walk *walk, int *offset);

/* The innermost frame (a strong reference) of a thread; NULL when it has none. */
PyFrameObject *frame_of_thread(unsigned long ident);
/* The caller of a frame (a strong reference), NULL at the end of the stack. */
PyFrameObject *frame_back(PyFrameObject *frame);
/* The `__name__` of the module that a frame runs in: a strong reference. */
PyObject *frame_module(PyFrameObject *frame);

extern PyMethodDef frames_functions[];

#endif
