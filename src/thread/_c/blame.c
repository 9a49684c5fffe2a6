/* Blame for waits: a hash table of lock identity, acquire site and owner site, by open addressing.
 *
 * The keys are pointers to things that live as long as the process, so adding to a row allocates nothing. */
#include "blame.h"
#include "hash.h"
#include "runtime.h"

#define SLOTS 16384 /* a power of two */
#define MAX_ROWS 8000

typedef struct {
    Identity *identity; /* NULL: a free slot */
    PyObject *acquire_site;
    PyObject *owner_site;
    uint64_t count;
    Sum ns;
} Row;

static Row *table = NULL; /* allocated at the first contention */
static Py_ssize_t row_count = 0;

static size_t
slot_of(const Identity *identity, const PyObject *acquire_site, const PyObject *owner_site)
{
    return (size_t)(mix_pointer(mix_pointer((uint64_t)(uintptr_t)identity, acquire_site), owner_site) >> 50);
}

static Row *
row_of(Identity *identity, PyObject *acquire_site, PyObject *owner_site)
{
    size_t slot = slot_of(identity, acquire_site, owner_site);
    for (;; slot = (slot + 1) & (SLOTS - 1)) {
        Row *row = &table[slot];
        if (row->identity == NULL) {
            return row;
        }
        if (row->identity == identity && row->acquire_site == acquire_site && row->owner_site == owner_site) {
            return row;
        }
    }
}

void
blame_add(Identity *identity, PyObject *acquire_site, PyObject *owner_site, uint64_t count, int64_t ns)
{
    if (table == NULL) {
        table = PyMem_RawCalloc(SLOTS, sizeof(Row));
        if (table == NULL) {
            count_internal_error();
            return;
        }
    }
    Row *row = row_of(identity, acquire_site, owner_site);
    if (row->identity == NULL && row_count >= MAX_ROWS) {
        note_cap();
        /* Bounded too: there are not more identities than rows left in the table. */
        acquire_site = owner_site = other_site;
        row = row_of(identity, acquire_site, owner_site);
    }
    if (row->identity == NULL) {
        *row = (Row){identity, acquire_site, owner_site, 0, {0, 0}};
        row_count++;
    }
    row->count += count;
    sum_add(&row->ns, ns);
}

void
blame_reset(void)
{
    PyMem_RawFree(table);
    table = NULL;
    row_count = 0;
}

static PyObject *
read_blame(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *rows = PyList_New(0);
    /* The table is looked at anew in each round: building a row can run a finalizer that resets it. */
    for (Py_ssize_t slot = 0; rows != NULL && table != NULL && slot < SLOTS; slot++) {
        Row row = table[slot];
        if (row.identity == NULL) {
            continue;
        }
        /* BlameRow */
        PyObject *item = Py_BuildValue("OsOOKN", row.identity->name, kind_name(row.identity->kind), row.acquire_site,
                                       row.owner_site, row.count, sum_read(&row.ns));
        rows = rows_with(rows, item);
    }
    return rows;
}

PyMethodDef blame_functions[] = {
    {"read_blame", read_blame, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
