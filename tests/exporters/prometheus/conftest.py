"""A registry and an exporter of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from thread_exporters.prometheus import PrometheusExporter


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry(auto_describe=True)


@pytest.fixture
def exporter(registry: CollectorRegistry) -> Iterator[PrometheusExporter]:
    exporter = PrometheusExporter(registry, port=0)
    yield exporter
    exporter.shutdown(5.0)
