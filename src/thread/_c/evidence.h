/* The record of a wait and whom it blames, and the evidence of a slow one. */
#ifndef THREAD_EVIDENCE_H
#define THREAD_EVIDENCE_H

#include "waiters.h"

typedef enum { WAIT_ACQUIRED, WAIT_TIMED_OUT, WAIT_INTERRUPTED } WaitOutcome;

/* At the end of an ownership, give its evidence to the waiters. */
void mutex_weigh_owner(Mutex *mutex, int64_t now);
/* Record the owner and its stack at this moment, while it still holds the lock. */
void waiter_look_at_owner(Waiter *waiter);
/* The wait has ended. */
void waiter_record(Waiter *waiter, WaitOutcome outcome, int64_t ended);

extern PyMethodDef evidence_functions[];

#endif
