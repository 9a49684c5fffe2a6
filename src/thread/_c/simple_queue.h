/* Waiting in queue.SimpleQueue. */
#ifndef THREAD_SIMPLE_QUEUE_H
#define THREAD_SIMPLE_QUEUE_H

#include "core.h"

extern PyMethodDef simple_queue_functions[];

#endif
