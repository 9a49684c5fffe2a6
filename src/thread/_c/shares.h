/* How long each owner of a mutex kept it while others waited. */
#ifndef THREAD_SHARES_H
#define THREAD_SHARES_H

#include "core.h"

typedef struct {
    PyObject *site; /* borrowed: sites live as long as the process */
    int64_t ns;
    int64_t until; /* when it was last added to */
} Share;

#define FEW_SHARES 6

typedef struct {
    Share *items; /* `few`, until there are more */
    int count, capacity;
    Share few[FEW_SHARES];
} Shares;

void shares_init(Shares *shares);
void shares_free(Shares *shares);
/* Totals of a mutex that threads begin to wait for. */
void shares_begin(Shares *totals);
/* Add time that went by until then, which is to blame on a site. No wait in progress began before `oldest_wait`. */
void shares_charge(Shares *totals, PyObject *site, int64_t ns, int64_t until, int64_t oldest_wait);
/* Note the totals at the beginning of a wait, and turn them into the shares of the wait at its end. False if memory is
 * short. */
bool shares_note(Shares *noted, const Shares *totals);
bool shares_take(Shares *noted, const Shares *totals);

#endif
