/* Starting threads. */
#ifndef THREAD_THREADS_H
#define THREAD_THREADS_H

#include "core.h"

int threads_init(void);

extern PyMethodDef public_threads_functions[]; /* of `_thread`, as far as the program can see */
extern PyMethodDef threads_functions[];

#endif
