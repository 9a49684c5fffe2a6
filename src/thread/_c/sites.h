/* Where a thread is: the frame that is charged, interned sites, stacks. */
#ifndef THREAD_SITES_H
#define THREAD_SITES_H

#include "core.h"

#define MAX_STEPS 500 /* up a stack, looking for the program; a recursion of a library may be far deeper */

/* The nearest frame of the program itself, else the innermost. Takes and returns a strong reference; NULL stays NULL.
 * Says whether code of an SDK was on the way there. */
PyFrameObject *frame_charged(PyFrameObject *innermost, bool *through_an_sdk);

/* Each of the following returns a borrowed reference that stays valid. */

/* The site of a frame as it is; NULL with an exception set. */
PyObject *site_of_frame(PyFrameObject *frame);
/* The site this thread, or the thread of that ident, is charged with. */
PyObject *site_of_this_thread(void);
PyObject *site_of_thread(unsigned long ident);

/* A tuple of the sites of a thread's whole stack, innermost first: a strong reference. */
PyObject *stack_of_thread(unsigned long ident);

/* Whether the object that this thread creates now is for the SDK of a telemetry library. */
bool serves_telemetry(void);

int sites_init(void);

extern PyMethodDef sites_functions[];

#endif
