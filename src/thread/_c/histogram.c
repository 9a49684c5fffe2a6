/* Counts of durations, in the layout of `thread._histogram`. */
#include "core.h"

#include <math.h>

static int
bucket_index(int64_t duration_ns)
{
    if (duration_ns <= 0) {
        return 0;
    }
    int exponent;
    double mantissa = frexp((double)duration_ns * 1e-9, &exponent);
    if (mantissa == 0.5) {
        exponent--; /* a bucket includes its upper bound */
    }
    int index = exponent - MIN_EXPONENT;
    return index < 0 ? 0 : index >= BUCKET_COUNT ? BUCKET_COUNT - 1 : index;
}

void
histogram_add(Histogram **histogram, int64_t duration_ns)
{
    Histogram *h = *histogram;
    if (h == NULL) {
        h = *histogram = PyMem_RawCalloc(1, sizeof(Histogram));
        if (h == NULL) {
            count_fault();
            return;
        }
    }
    h->count++;
    h->sum_ns += duration_ns;
    if (duration_ns > h->max_ns) {
        h->max_ns = duration_ns;
    }
    h->buckets[bucket_index(duration_ns)]++;
}

void
histogram_reset(Histogram **histogram)
{
    PyMem_RawFree(*histogram);
    *histogram = NULL;
}

PyObject *
histogram_read(const Histogram *histogram)
{
    if (histogram == NULL) {
        Py_RETURN_NONE;
    }
    /* Copied first: allocating can run a finalizer that waits for a lock of the same identity. */
    Histogram copy = *histogram;
    PyObject *buckets = PyTuple_New(BUCKET_COUNT);
    if (buckets == NULL) {
        return NULL;
    }
    for (int i = 0; i < BUCKET_COUNT; i++) {
        PyObject *count = PyLong_FromUnsignedLongLong(copy.buckets[i]);
        if (count == NULL) {
            Py_DECREF(buckets);
            return NULL;
        }
        PyTuple_SET_ITEM(buckets, i, count);
    }
    return Py_BuildValue("KLLN", copy.count, copy.sum_ns, copy.max_ns, buckets);
}
