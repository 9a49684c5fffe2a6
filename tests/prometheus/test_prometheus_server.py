"""The Prometheus server of the tests starts, answers and ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_server import Prometheus, PrometheusError, promtool, running_prometheus

pytestmark = pytest.mark.prometheus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prometheus.yml").write_text("global: {scrape_interval: 1s}\n")
    return tmp_path


def test_it_answers_until_its_end(folder: Path) -> None:
    with running_prometheus(folder) as prometheus:
        assert prometheus.value("2 + 2") == 4
        assert prometheus.query("up") == prometheus.targets() == prometheus.rules() == prometheus.alerts() == []
        assert prometheus.series("up") == prometheus.exemplars("up") == []
        with pytest.raises(PrometheusError, match="parse error"):
            prometheus.query("sum(")
    assert not Prometheus(prometheus.url).is_ready()


def test_a_configuration_that_it_refuses_is_told_in_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text("nonsense: 1\n")
    with pytest.raises(AssertionError, match="field nonsense not found"):
        with running_prometheus(tmp_path):
            pass


def test_promtool_checks_a_page_of_metrics() -> None:
    page = "# HELP shop_orders_total Orders.\n# TYPE shop_orders_total counter\nshop_orders_total 1\n"
    assert promtool("check", "metrics", text=page).returncode == 0
    assert "no help text" in promtool("check", "metrics", text=page.partition("\n")[2]).stderr
