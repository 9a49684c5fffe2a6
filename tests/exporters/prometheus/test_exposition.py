"""Our fast page is identical to the one that prometheus_client writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from handmade import HOT, NOON, histogram, lock, slow_wait, snapshot_of_a_shop
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.utils import floatToGoString

from thread import telemetry
from thread.telemetry import Snapshot, SpanContext
from thread_exporters._schema.exemplars import Exemplars
from thread_exporters.prometheus._format.collector import ThreadCollector
from thread_exporters.prometheus._format.exposition import Exposition
from thread_exporters.prometheus._format.samples import samples_of_process

PARSERS: dict[Callable[[Any], bytes], Callable[[str], Any]] = {
    generate_latest: parse_text,
    generate_openmetrics: parse_openmetrics,
}
AWKWARD = [
    'say "hi"',
    "back\\slash",
    "two\nlines",
    "Schloß 鎖",
    'le="1"} 7',
    "",
    "\udcff",
    "{0} %s",
    "carriage\rreturn",
]


@pytest.fixture
def exemplars() -> Exemplars:
    return Exemplars()


@pytest.fixture
def collector(exemplars: Exemplars, monkeypatch: pytest.MonkeyPatch) -> ThreadCollector:
    monkeypatch.setattr(telemetry, "snapshot", awkward_snapshot)
    exemplars.observe(
        [
            slow_wait(seconds, lock=name, span=SpanContext(0xA1, 0xB2, 1))
            for name, seconds in ((HOT, 0.001), (HOT, 0.004), (HOT, 3.0), (HOT, 100.0), ("carriage\rreturn", 0.1))
        ]
    )
    return ThreadCollector(lambda: samples_of_process(telemetry.snapshot(), exemplars))


def awkward_snapshot() -> Snapshot:
    shop = snapshot_of_a_shop()
    locks = [lock(name, wait=histogram(0.1, 1e-9, 1e5), acquisitions=10**15) for name in AWKWARD]
    return replace(shop, locks=(*shop.locks, *locks))


def pages(encoder: Callable[[Any], bytes], collector: ThreadCollector) -> tuple[str, str]:
    """Return prometheus_client's page and ours."""
    registry = CollectorRegistry()
    registry.register(collector)
    theirs = encoder(registry).decode()
    content_type = "application/openmetrics-text" if encoder is generate_openmetrics else "text/plain"
    ours = b"".join(collector.text(encoder, content_type)).decode()
    return theirs, ours + ("# EOF\n" if encoder is generate_openmetrics else "")


def test_openmetrics_is_the_same_to_the_last_exemplar(collector: ThreadCollector) -> None:
    theirs, ours = pages(generate_openmetrics, collector)
    assert list(parse_openmetrics(ours)) == list(parse_openmetrics(theirs))
    assert ours.count("trace_id=") == 5
    assert f'_created{{python_thread_target="shop.worker:work"}} {floatToGoString(NOON - 3600)}\n' in ours


def test_text_is_the_same_but_for_when_counters_were_created(collector: ThreadCollector) -> None:
    theirs, ours = pages(generate_latest, collector)
    without_created = [family for family in parse_text(theirs) if not family.name.endswith("_created")]
    assert list(parse_text(ours)) == without_created


@pytest.mark.parametrize("encoder", PARSERS, ids=["text", "openmetrics"])
def test_text_that_is_used_again_is_that_of_the_latest_numbers(encoder: Callable[[Any], bytes]) -> None:
    exposition = Exposition(encoder, NOON, with_exemplars=False)

    def written(snapshot: Snapshot, exposition: Exposition = exposition) -> bytes:
        return b"".join(exposition.parts(samples_of_process(snapshot, Exemplars())))

    first = replace(snapshot_of_a_shop(), locks=(lock("a", wait=histogram(0.1)), lock("b", wait=histogram(0.1))))
    later = replace(first, dropped_events=8, locks=(first.locks[0], lock("b", wait=histogram(0.1, 0.1))))
    assert written(first) == written(first)
    assert written(later) == written(later, Exposition(encoder, NOON, with_exemplars=False)) != written(first)


def test_text_that_is_used_again_has_the_latest_exemplar(collector: ThreadCollector, exemplars: Exemplars) -> None:
    before = pages(generate_openmetrics, collector)
    exemplars.observe([slow_wait(3.1, span=SpanContext(0xC3, 0xB2, 1))])
    after = pages(generate_openmetrics, collector)
    assert after[1] != before[1]
    assert list(parse_openmetrics(after[1])) == list(parse_openmetrics(after[0]))


def test_when_counters_were_created_can_be_left_out_as_prometheus_client_leaves_it_out(
    collector: ThreadCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_DISABLE_CREATED_SERIES", "true")
    theirs, ours = pages(generate_openmetrics, collector)
    assert "_created" not in theirs + ours


def test_a_child_tells_when_its_own_counters_were_created(
    collector: ThreadCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    content_type = "application/openmetrics-text"
    assert f" {floatToGoString(NOON - 3600)}".encode() in b"".join(collector.text(generate_openmetrics, content_type))
    monkeypatch.setattr(telemetry, "snapshot", lambda: replace(snapshot_of_a_shop(), began_at=NOON + 7))
    assert f" {floatToGoString(NOON + 7)}".encode() in b"".join(collector.text(generate_openmetrics, content_type))
