/* How long the owners of one mutex kept it while others waited, and which part of that each waiter met.
 *
 * A change of owner adds to one total, however many threads wait. A thread notes the totals when it begins to wait, and
 * takes the difference when it is served. So a wait costs one step for each site that kept the mutex, and never one for
 * each change of owner. */
#include "shares.h"
#include "runtime.h"

#include <string.h>

#define MAX_TOTALS 1024 /* sites at a time; the time of further ones is counted under `other_site` */

void
shares_init(Shares *shares)
{
    shares->items = shares->few;
    shares->capacity = FEW_SHARES;
    shares->count = 0;
}

void
shares_free(Shares *shares)
{
    if (shares->items != shares->few) {
        PyMem_RawFree(shares->items);
    }
    shares_init(shares);
}

static bool
shares_grow(Shares *shares)
{
    bool few = shares->items == shares->few;
    size_t size = (size_t)shares->capacity * sizeof(Share);
    Share *items = PyMem_RawRealloc(few ? NULL : shares->items, 2 * size);
    if (items == NULL) {
        count_internal_error();
        return false;
    }
    if (few) {
        memcpy(items, shares->few, size);
    }
    shares->items = items;
    shares->capacity *= 2;
    return true;
}

/* NULL if memory is short. */
static Share *
shares_append(Shares *shares, Share share)
{
    if (shares->count == shares->capacity && !shares_grow(shares)) {
        return NULL;
    }
    shares->items[shares->count] = share;
    return &shares->items[shares->count++];
}

/* ---- totals ---- */

void
shares_begin(Shares *totals)
{
    shares_append(totals, (Share){other_site, 0, 0}); /* the first, so that there is always one to add to */
}

static Share *
total_of(const Shares *totals, const PyObject *site)
{
    for (int i = totals->count - 1; i >= 0; i--) {
        if (totals->items[i].site == site) {
            return &totals->items[i];
        }
    }
    return NULL;
}

/* A total that no waiter has a part in can become that of another site. */
static Share *
total_unshared(const Shares *totals, int64_t oldest_wait)
{
    for (int i = 1; i < totals->count; i++) {
        if (totals->items[i].until <= oldest_wait) {
            return &totals->items[i];
        }
    }
    return NULL;
}

static Share *
total_added(Shares *totals, PyObject *site, int64_t oldest_wait)
{
    Share *total = totals->count < totals->capacity ? NULL : total_unshared(totals, oldest_wait);
    if (total != NULL) {
        total->site = site;
        return total;
    }
    return totals->count < MAX_TOTALS ? shares_append(totals, (Share){site, 0, 0}) : NULL;
}

void
shares_charge(Shares *totals, PyObject *site, int64_t ns, int64_t until, int64_t oldest_wait)
{
    Share *total = total_of(totals, site);
    if (total == NULL) {
        total = total_added(totals, site, oldest_wait);
    }
    if (total == NULL) {
        note_cap();
        total = &totals->items[0];
    }
    total->ns += ns;
    total->until = until;
}

/* ---- the part of one waiter ---- */

bool
shares_note(Shares *noted, const Shares *totals)
{
    noted->count = 0;
    for (int i = 0; i < totals->count; i++) {
        if (shares_append(noted, totals->items[i]) == NULL) {
            return false;
        }
    }
    return true;
}

bool
shares_take(Shares *noted, const Shares *totals)
{
    int before = noted->count;
    for (int i = 0; i < totals->count; i++) {
        Share total = totals->items[i];
        if (i < before) {
            total.ns -= noted->items[i].ns;
            noted->items[i] = total;
        }
        else if (shares_append(noted, total) == NULL) {
            return false;
        }
    }
    return true;
}
