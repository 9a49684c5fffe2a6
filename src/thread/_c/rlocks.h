/* RLock. */
#ifndef THREAD_RLOCKS_H
#define THREAD_RLOCKS_H

#include "core.h"

extern PyTypeObject RLockType;

int rlocks_init(void);

#endif
