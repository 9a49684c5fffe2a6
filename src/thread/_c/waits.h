/* The contended path: queueing, hand-over, waiting. */
#ifndef THREAD_WAITS_H
#define THREAD_WAITS_H

#include "evidence.h"

/* Take a mutex that is free but was offered to those that wait. False if somebody has it. */
bool mutex_take_offered(Mutex *mutex);
/* Wait for a mutex that somebody holds. When acquired, this thread is its owner already; when interrupted, the
 * exception is set. Signal handlers run during the wait only if it is interruptible. A wait to get back the lock that
 * was given up in Condition.wait is not recorded: it is a part of that wait. */
WaitOutcome mutex_wait(Mutex *mutex, int64_t timeout_ns, bool interruptible, bool recorded);
/* Tell the first of those that wait that the mutex is free. */
void mutex_offer(Mutex *mutex);
/* Unlock a mutex that somebody waits for: the first of them gets it, or is told. */
void mutex_release_to_waiters(Mutex *mutex);

/* The steps of a wait that takes place elsewhere, as that for a semaphore does: it is recorded as one for this mutex,
 * whose owner is to blame for it. waiter_begin returns NULL with an exception set if memory is short. */
Waiter *waiter_begin(Mutex *mutex, bool recorded, bool elsewhere);
void waiter_leaves(Waiter *waiter);
void waiter_end(Waiter *waiter, WaitOutcome outcome);

#endif
