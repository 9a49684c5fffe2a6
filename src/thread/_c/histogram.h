/* Counts of durations. */
#ifndef THREAD_HISTOGRAM_H
#define THREAD_HISTOGRAM_H

#include "core.h"

#define MIN_EXPONENT (-24)
#define MAX_EXPONENT 16
#define BUCKET_COUNT (MAX_EXPONENT - MIN_EXPONENT + 2)

/* A sum of durations that cannot overflow: a thousand threads that wait all the time have 292 years in 107 days. */
typedef struct {
    uint64_t low, high;
} Sum;

static inline void
sum_add(Sum *sum, int64_t duration_ns)
{
    uint64_t added = duration_ns > 0 ? (uint64_t)duration_ns : 0;
    sum->low += added;
    sum->high += sum->low < added;
}

PyObject *sum_read(const Sum *sum);

typedef struct {
    uint64_t count;
    Sum sum_ns;
    int64_t max_ns;
    uint64_t buckets[BUCKET_COUNT];
} Histogram;

void histogram_add(Histogram **histogram, int64_t duration_ns); /* allocated when first needed */
void histogram_reset(Histogram **histogram);
PyObject *histogram_read(const Histogram *histogram);

int histogram_init(void);

extern PyTypeObject HistogramCountsType;

#endif
