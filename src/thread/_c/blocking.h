/* Waits that are no contention: for conditions, queues and the like. */
#ifndef THREAD_BLOCKING_H
#define THREAD_BLOCKING_H

#include "core.h"

int blocking_init(void);
void blocking_reset(void);
void blocking_after_fork(void);

extern PyMethodDef blocking_functions[];

#endif
