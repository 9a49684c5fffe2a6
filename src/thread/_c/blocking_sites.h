/* Where the program waits for conditions, queues and the like, and for what. */
#ifndef THREAD_BLOCKING_SITES_H
#define THREAD_BLOCKING_SITES_H

#include "core.h"

/* Where the program waits, and, instead of the `kind` given, for what; borrowed references. False: not to be recorded.
 * `library`: the folders of the library that made the object which blocks, a tuple of str, or NULL. */
bool blocking_of_this_thread(PyObject *library, PyObject **kind, PyObject **site);

#endif
