/* The names of locks, for telemetry.named. */
#ifndef THREAD_RENAMING_H
#define THREAD_RENAMING_H

#include "core.h"

extern PyMethodDef renaming_functions[];

#endif
