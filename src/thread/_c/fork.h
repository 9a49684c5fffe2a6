/* A fresh start, by reset() and in a forked child. */
#ifndef THREAD_FORK_H
#define THREAD_FORK_H

#include "core.h"

int fork_init(void);

extern PyMethodDef fork_functions[];

#endif
