"""Histograms whose bounds are powers of two seconds."""

from __future__ import annotations

import random

import pytest

from thread._base.buckets import BUCKET_COUNT, MAX_EXPONENT, MIN_EXPONENT, bucket_index
from thread._views.histogram import Histogram


def histogram_of(*durations: float) -> Histogram:
    buckets = [0] * BUCKET_COUNT
    for duration in durations:
        buckets[bucket_index(round(duration * 1e9))] += 1
    return Histogram(len(durations), sum(durations), max(durations, default=0.0), tuple(buckets))


def test_a_bucket_includes_its_upper_bound() -> None:
    for exponent in range(MAX_EXPONENT + 1):
        nanoseconds = 2**exponent * 1_000_000_000
        assert Histogram.bounds[bucket_index(nanoseconds)] == 2.0**exponent
        assert bucket_index(nanoseconds + 1_000) == bucket_index(nanoseconds) + 1


def test_every_duration_lies_between_the_bounds_of_its_bucket() -> None:
    numbers = random.Random(7)
    for _ in range(10_000):
        nanoseconds = int(2 ** numbers.uniform(7, 45))
        index = bucket_index(nanoseconds)
        assert nanoseconds * 1e-9 <= Histogram.bounds[index]
        assert index == 0 or nanoseconds * 1e-9 > Histogram.bounds[index - 1]


def test_what_is_too_short_or_too_long_has_a_bucket_too() -> None:
    assert bucket_index(-5) == bucket_index(0) == bucket_index(1) == 0
    assert bucket_index(10**18) == BUCKET_COUNT - 1


def test_the_bounds_are_powers_of_two() -> None:
    assert Histogram.bounds[0] == 2.0**MIN_EXPONENT
    assert Histogram.bounds[-1] == 2.0**MAX_EXPONENT
    assert len(Histogram.bounds) + 1 == BUCKET_COUNT == len(Histogram().buckets)


def test_a_quantile_is_within_a_factor_of_two_of_the_truth() -> None:
    numbers = random.Random(11)
    durations = sorted(numbers.lognormvariate(-6, 2) for _ in range(5_000))
    histogram = histogram_of(*durations)
    for q in (0.01, 0.25, 0.5, 0.9, 0.99, 0.999):
        truth = durations[int(q * len(durations))]
        assert truth / 2 <= histogram.quantile(q) <= truth * 2


def test_a_quantile_never_exceeds_the_longest() -> None:
    assert histogram_of(0.0101).quantile(0.99) == 0.0101
    assert histogram_of(0.0101).quantile(1.0) == 0.0101
    assert histogram_of(2.0 ** (MAX_EXPONENT + 2)).quantile(0.5) == 2.0 ** (MAX_EXPONENT + 2)


def test_quantiles_grow() -> None:
    histogram = histogram_of(0.001, 0.002, 0.004, 0.1, 0.1, 3.0)
    quantiles = [histogram.quantile(q / 20) for q in range(21)]
    assert quantiles == sorted(quantiles)


def test_nothing_recorded_has_quantile_zero() -> None:
    assert Histogram().quantile(0.99) == 0.0


@pytest.mark.parametrize("q", [-0.1, 1.1, float("nan")])
def test_a_quantile_outside_its_range_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="a quantile lies between 0 and 1, not at"):
        Histogram().quantile(q)
