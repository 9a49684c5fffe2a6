/* Counts of durations, in the layout of `thread._views.histogram`. */
#include "histogram.h"
#include "runtime.h"

/* In whole nanoseconds, rounded down: only whole nanoseconds are compared with them. */
static int64_t bounds[BUCKET_COUNT - 1];

/* A bucket includes its upper bound. Most durations are short, or few. */
static int
bucket_index(int64_t duration_ns)
{
    int index = 0;
    while (index < BUCKET_COUNT - 1 && duration_ns > bounds[index]) {
        index++;
    }
    return index;
}

static PyObject *
sum_read_large(const Sum *sum)
{
    PyObject *high = PyLong_FromUnsignedLongLong(sum->high);
    PyObject *bits = PyLong_FromLong(64);
    PyObject *low = PyLong_FromUnsignedLongLong(sum->low);
    PyObject *upper = high == NULL || bits == NULL ? NULL : PyNumber_Lshift(high, bits);
    PyObject *whole = upper == NULL || low == NULL ? NULL : PyNumber_Or(upper, low);
    Py_XDECREF(upper);
    Py_XDECREF(low);
    Py_XDECREF(bits);
    Py_XDECREF(high);
    return whole;
}

PyObject *
sum_read(const Sum *sum)
{
    return sum->high == 0 ? PyLong_FromUnsignedLongLong(sum->low) : sum_read_large(sum);
}

void
histogram_add(Histogram **histogram, int64_t duration_ns)
{
    Histogram *h = *histogram;
    if (h == NULL) {
        h = *histogram = PyMem_RawCalloc(1, sizeof(Histogram));
        if (h == NULL) {
            count_internal_error();
            return;
        }
    }
    h->count++;
    sum_add(&h->sum_ns, duration_ns);
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
    /* HistogramRow */
    return Py_BuildValue("KNLN", copy.count, sum_read(&copy.sum_ns), copy.max_ns, buckets);
}

/* ---- HistogramCounts: for durations measured by Python code ---- */

typedef struct {
    PyObject_HEAD
    Histogram *histogram;
} HistogramCounts;

static PyObject *
counts_add(PyObject *self, PyObject *duration)
{
    long long nanoseconds = PyLong_AsLongLong(duration);
    if (nanoseconds == -1 && PyErr_Occurred()) {
        return NULL;
    }
    histogram_add(&((HistogramCounts *)self)->histogram, nanoseconds);
    Py_RETURN_NONE;
}

static PyObject *
counts_read(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return histogram_read(((HistogramCounts *)self)->histogram);
}

static void
counts_dealloc(PyObject *self)
{
    histogram_reset(&((HistogramCounts *)self)->histogram);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef counts_methods[] = {
    {"add", counts_add, METH_O, NULL},
    {"read", counts_read, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject HistogramCountsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "thread._core.HistogramCounts",
    .tp_basicsize = sizeof(HistogramCounts),
    .tp_dealloc = counts_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_methods = counts_methods,
    .tp_new = PyType_GenericNew,
};

/* ---- life of the module ---- */

int
histogram_init(void)
{
    for (int i = 0; i < BUCKET_COUNT - 1; i++) {
        int exponent = i + MIN_EXPONENT;
        bounds[i] = exponent < 0 ? INT64_C(1000000000) >> -exponent : INT64_C(1000000000) << exponent;
    }
    return PyType_Ready(&HistogramCountsType);
}
