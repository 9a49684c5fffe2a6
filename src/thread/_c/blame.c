/* Blame for waits: a hash table of lock identity, acquire site and owner site, by open addressing.
 *
 * The keys are pointers to things that live as long as the process, so adding to a row allocates nothing. */
#include "blame.h"
#include "hash.h"
#include "runtime.h"

#include <string.h>

#define SLOTS 16384 /* a power of two */
#define MAX_ROWS 8000

struct BlameRow {
    Identity *identity; /* NULL: a free slot */
    PyObject *acquire_site;
    PyObject *owner_site;
    uint64_t count;
    Sum ns;
};

Blame ended_waits = {NULL, 0};

static size_t
slot_of(const Identity *identity, const PyObject *acquire_site, const PyObject *owner_site)
{
    return (size_t)(mix_pointer(mix_pointer((uint64_t)(uintptr_t)identity, acquire_site), owner_site) >> 50);
}

static BlameRow *
row_of(const Blame *blame, const Identity *identity, const PyObject *acquire_site, const PyObject *owner_site)
{
    size_t slot = slot_of(identity, acquire_site, owner_site);
    for (;; slot = (slot + 1) & (SLOTS - 1)) {
        BlameRow *row = &blame->rows[slot];
        if (row->identity == NULL) {
            return row;
        }
        if (row->identity == identity && row->acquire_site == acquire_site && row->owner_site == owner_site) {
            return row;
        }
    }
}

static bool
blame_allocate(Blame *blame)
{
    if (blame->rows == NULL) {
        blame->rows = PyMem_RawCalloc(SLOTS, sizeof(BlameRow));
    }
    if (blame->rows == NULL) {
        count_internal_error();
    }
    return blame->rows != NULL;
}

void
blame_add(Blame *blame, Identity *identity, PyObject *acquire_site, PyObject *owner_site, uint64_t count, int64_t ns)
{
    if (!blame_allocate(blame)) {
        return;
    }
    BlameRow *row = row_of(blame, identity, acquire_site, owner_site);
    if (row->identity == NULL && blame->count >= MAX_ROWS) {
        note_cap();
        /* Bounded too: there are not more identities than rows left in the table. */
        acquire_site = owner_site = other_site;
        row = row_of(blame, identity, acquire_site, owner_site);
    }
    if (row->identity == NULL) {
        *row = (BlameRow){identity, acquire_site, owner_site, 0, {0, 0}};
        blame->count++;
    }
    row->count += count;
    sum_add(&row->ns, ns);
}

bool
blame_copy(Blame *copy, const Blame *blame)
{
    *copy = (Blame){NULL, 0};
    if (blame->rows == NULL) {
        return true;
    }
    if (!blame_allocate(copy)) {
        return false;
    }
    memcpy(copy->rows, blame->rows, SLOTS * sizeof(BlameRow));
    copy->count = blame->count;
    return true;
}

void
blame_free(Blame *blame)
{
    PyMem_RawFree(blame->rows);
    *blame = (Blame){NULL, 0};
}

PyObject *
blame_read(const Blame *blame)
{
    PyObject *rows = PyList_New(0);
    for (Py_ssize_t slot = 0; rows != NULL && blame->rows != NULL && slot < SLOTS; slot++) {
        const BlameRow *row = &blame->rows[slot];
        if (row->identity != NULL) {
            /* BlameRow */
            PyObject *item = Py_BuildValue("OsOOKN", row->identity->name, kind_name(row->identity->kind),
                                           row->acquire_site, row->owner_site, row->count, sum_read(&row->ns));
            rows = rows_with(rows, item);
        }
    }
    return rows;
}
