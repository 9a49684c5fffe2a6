/* Lock. */
#ifndef THREAD_LOCKS_H
#define THREAD_LOCKS_H

#include "core.h"

extern PyTypeObject LockType;

int locks_init(void);

extern PyMethodDef public_locks_functions[]; /* of `_thread`, as far as the program can see */

#endif
