/* Blame for waits, by lock, acquire site and owner site. */
#ifndef THREAD_BLAME_H
#define THREAD_BLAME_H

#include "identities.h"

typedef struct BlameRow BlameRow;

typedef struct {
    BlameRow *rows; /* NULL: none yet */
    Py_ssize_t count;
} Blame;

extern Blame ended_waits;

void blame_add(Blame *blame, Identity *identity, PyObject *acquire_site, PyObject *owner_site, uint64_t count,
               int64_t ns);
/* False if memory is short. */
bool blame_copy(Blame *copy, const Blame *blame);
void blame_free(Blame *blame);
/* A list of rows; NULL with an exception set. */
PyObject *blame_read(const Blame *blame);

#endif
