/* The record of one thread, from the request to start it to its end. */
#ifndef THREAD_THREAD_RECORDS_H
#define THREAD_THREAD_RECORDS_H

#include "list.h"
#include "spans.h"
#include "targets.h"

typedef enum { RETURNED, EXITED, RAISED } Outcome;

typedef struct {
    PyObject_HEAD
    Link running; /* among all records of threads that run */
    PyObject *function;
    PyObject *args;
    PyObject *kwargs; /* NULL: none */
    Target *target;   /* NULL: nothing is recorded of it */
    bool untracked;   /* a thread of the telemetry */
    PyObject *starter; /* borrowed: sites live as long as the process */
    ThreadTrace trace;
    unsigned long ident;
    unsigned long native_id;
    int64_t requested;
    int64_t started;
    Outcome outcome;
} Record;

/* The record of a thread that is to run a function; NULL with an exception set. */
Record *record_new(PyObject *function, PyObject *args, PyObject *kwargs, PyObject *name);
/* The thread will not run. */
void record_abandon(Record *record);
/* In the new thread, at its begin and its end. */
void record_begin(Record *record);
void record_end(Record *record);
/* The function ended with the exception that is set, and stays set. */
void record_raised(Record *record);

int thread_records_init(void);
void thread_records_reset(void);
void thread_records_after_fork(void);

extern PyMethodDef thread_records_functions[];

#endif
