/* The asyncio task that a thread runs. */
#ifndef THREAD_TASKS_H
#define THREAD_TASKS_H

#include "core.h"

/* The name of the asyncio task that this thread runs, empty when its event loop runs none, None without a loop. */
PyObject *task_of_this_thread(void);

extern PyMethodDef tasks_functions[];

#endif
