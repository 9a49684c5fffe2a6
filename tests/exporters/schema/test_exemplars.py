from __future__ import annotations

import pytest
from handmade import HOT, NOON, slow_wait, unhandled_exception

from thread.telemetry import Event, Histogram, SpanContext
from thread_exporters._schema.exemplars import Exemplar, Exemplars, latest

WAITS = "python.lock.wait.duration"
SAMPLED = SpanContext(0xA1, 0xB2, 1)


def kept(*events: Event, capacity: int = 1000) -> Exemplars:
    exemplars = Exemplars(capacity)
    exemplars.observe(events)
    return exemplars


def test_a_slow_wait_in_a_sampled_span_stands_for_its_bucket() -> None:
    found = kept(slow_wait(0.12, span=SAMPLED)).of(WAITS, (HOT, "lock"))
    assert found == {Histogram.bounds.index(0.125): Exemplar(0.12, NOON + 0.12, 0xA1, 0xB2)}


@pytest.mark.parametrize("exponent", range(-26, 19))
def test_it_is_kept_for_the_bucket_that_counts_the_wait(exponent: int) -> None:
    at_the_bound, over_it = 2.0**exponent, 2.0**exponent * 1.01
    for duration in (at_the_bound, over_it):
        [bucket] = kept(slow_wait(duration, span=SAMPLED)).of(WAITS, (HOT, "lock"))
        assert bucket == sum(bound < duration for bound in Histogram.bounds)


def test_the_latest_of_a_bucket_is_kept_and_other_buckets_keep_theirs() -> None:
    exemplars = kept(
        slow_wait(0.1, span=SpanContext(1, 1, 1)),
        slow_wait(3.0, span=SpanContext(2, 2, 1)),
        slow_wait(0.12, span=SpanContext(3, 3, 1)),
    )
    assert sorted(each.trace_id for each in exemplars.of(WAITS, (HOT, "lock")).values()) == [2, 3]


@pytest.mark.parametrize("event", [slow_wait(), slow_wait(span=SpanContext(1, 2, 0)), unhandled_exception()])
def test_without_a_sampled_span_there_is_none(event: Event) -> None:
    assert not kept(event).of(WAITS, (HOT, "lock"))


def test_locks_of_another_name_or_kind_and_other_metrics_have_none() -> None:
    exemplars = kept(slow_wait(span=SAMPLED))
    assert not exemplars.of(WAITS, (HOT, "rlock"))
    assert not exemplars.of(WAITS, ("quiet", "lock"))
    assert not exemplars.of("python.lock.hold.duration", (HOT, "lock"))


def test_of_too_many_locks_those_that_were_slow_last_are_kept() -> None:
    exemplars = kept(*(slow_wait(lock=name, span=SAMPLED) for name in ("a", "b", "a", "c")), capacity=2)
    assert [name for name in "abc" if exemplars.of(WAITS, (name, "lock"))] == ["a", "c"]


def test_what_was_read_does_not_change_by_later_waits() -> None:
    exemplars = kept(slow_wait(0.1, span=SAMPLED))
    found = exemplars.of(WAITS, (HOT, "lock"))
    exemplars.observe([slow_wait(3.0, span=SAMPLED)])
    assert len(found) == 1


def test_the_latest_is_chosen_among_the_buckets_asked_for() -> None:
    early, late, outside = Exemplar(1.0, 5.0, 1, 1), Exemplar(2.0, 6.0, 2, 2), Exemplar(4.0, 7.0, 3, 3)
    assert latest({24: early, 25: late, 26: outside}, 24, 25) == late
    assert latest({24: early}, 25, 30) is None
    assert latest({}, 0, 40) is None


def test_a_forked_child_has_none() -> None:
    exemplars = kept(slow_wait(span=SAMPLED))
    exemplars.clear()
    assert not exemplars.of(WAITS, (HOT, "lock"))
