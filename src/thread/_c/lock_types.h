/* Types of locks that pass `isinstance` with the interpreter's own, and the other way round. */
#ifndef THREAD_LOCK_TYPES_H
#define THREAD_LOCK_TYPES_H

#include "core.h"

extern PyTypeObject LockMetaType;
extern PyGetSetDef lock_type_attributes[];

/* Ready one of our types, a LockMetaType, to stand for the interpreter's type of that name in `_thread`. Returns that
 * type, a strong reference; NULL with an exception set. */
PyTypeObject *lock_type_ready(PyTypeObject *type, const char *name);

int lock_types_init(void);

#endif
