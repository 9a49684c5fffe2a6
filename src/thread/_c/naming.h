/* From the creation of a lock to its identity. */
#ifndef THREAD_NAMING_H
#define THREAD_NAMING_H

#include "identities.h"

/* The identity of a lock being created now; NULL with an exception set only if one must reach the program. */
Identity *identity_created(Kind kind, PyObject *name);

int naming_init(void);

#endif
