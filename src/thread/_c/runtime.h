/* Settings, clock, internal errors, untracked threads: what every file may use. */
#ifndef THREAD_RUNTIME_H
#define THREAD_RUNTIME_H

#include "core.h"

typedef struct {
    int64_t slow_wait_ns;
    uint64_t hold_sampling; /* the hold of one in that many acquisitions is timed; 0: of none */
    Py_ssize_t event_capacity;
    Py_ssize_t stack_depth;
    bool listening; /* whether anybody fetches events */
} Settings;

extern Settings settings;

#define FOREVER INT64_MAX

/* Have a function called when settings have changed, with those from before. */
typedef void (*ConfigureHook)(const Settings *former);
void on_configure(ConfigureHook hook);

int64_t monotonic_ns(void);

void count_internal_error(void); /* clears the error indicator */
/* The same for an error raised where Python code of ours ran. False if the program raised it, as a signal handler does
 * that interrupts such code: the error stays set, and has to reach the program. */
bool absorb_internal_error(void);

bool is_untracked(void); /* whether this thread works for the telemetry */
void untrack_this_thread(int change);

/* Whether threads that have no GIL will never have it again. */
bool interpreter_ends(void);

/* -1 with an exception set unless `*name` is a str or None. None and the empty name become NULL. */
int check_name(PyObject **name, const char *whose);

extern PyObject *unknown_site;
extern PyObject *other_site; /* for sites beyond the bound */
extern PyObject *gil_site;   /* to blame for the time in which a lock was free but this thread had no GIL */

/* Note that a bound was exceeded and something counts as `other`. */
void note_cap(void);

/* A strong reference; NULL with an exception set, also if one is set already. */
PyObject *attribute_of_module(const char *module, const char *name);

int runtime_init(void);
void runtime_reset(void);
void runtime_after_fork(void);

extern PyMethodDef runtime_functions[];

#endif
