/* Blame for waits, by lock, acquire site and owner site. */
#ifndef THREAD_BLAME_H
#define THREAD_BLAME_H

#include "identities.h"

void blame_add(Identity *identity, PyObject *acquire_site, PyObject *owner_site, uint64_t count, int64_t ns);
void blame_reset(void);

extern PyMethodDef blame_functions[];

#endif
