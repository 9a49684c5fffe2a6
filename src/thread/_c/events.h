/* The bounded buffer of events that the drain thread empties. */
#ifndef THREAD_EVENTS_H
#define THREAD_EVENTS_H

#include "core.h"

void events_push(PyObject *event); /* takes the reference; NULL counts an internal error */

int events_init(void);
void events_reset(void);
void events_after_fork(void);

extern PyMethodDef events_functions[];

#endif
