/* The records of semaphores. */
#ifndef THREAD_SEMAPHORES_H
#define THREAD_SEMAPHORES_H

#include "core.h"

extern PyTypeObject SemaphoreRecordType;

int semaphores_init(void);

#endif
