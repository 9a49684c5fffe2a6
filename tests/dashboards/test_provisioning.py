"""Paths, ports and names of the services in docker-compose.yml fit together."""

from __future__ import annotations

from pathlib import Path

from compose_file import DASHBOARDS, SERVICES, command, configuration, environment, mounts


def test_the_files_that_commands_name_are_mounted() -> None:
    for name, option in (("prometheus", "--config.file="), ("tempo", "-config.file=")):
        [file] = [Path(word.removeprefix(option)) for word in command(name) if word.startswith(option)]
        [source] = [source for source, target in mounts(SERVICES[name]) if target == file.parent]
        assert (source / file.name).is_file()


def test_the_rules_are_where_the_configuration_of_prometheus_looks_for_them() -> None:
    [pattern] = configuration("prometheus/prometheus.yml")["rule_files"]
    mounted = {source.name: target for source, target in mounts(SERVICES["prometheus"])}
    assert (mounted["prometheus"] / pattern).parent == mounted["prometheus"] / "../rules"
    assert mounted["prometheus"].parent == mounted["rules"].parent
    assert list((DASHBOARDS / "prometheus").glob(pattern))


def test_the_target_of_prometheus_is_the_page_of_the_shop() -> None:
    [group] = configuration("prometheus/targets.yml")
    words = command("shop")
    assert group["targets"] == [f"shop:{words[words.index('--port') + 1]}"]


def test_grafana_knows_how_often_prometheus_scrapes() -> None:
    prometheus, _ = configuration("provisioning/datasources/datasources.yml")["datasources"]
    interval = configuration("prometheus/prometheus.yml")["global"]["scrape_interval"]
    assert prometheus["jsonData"]["timeInterval"] == interval


def test_exemplars_lead_to_the_store_that_the_shop_sends_its_traces_to() -> None:
    prometheus, tempo = configuration("provisioning/datasources/datasources.yml")["datasources"]
    [destination] = prometheus["jsonData"]["exemplarTraceIdDestinations"]
    assert destination["datasourceUid"] == tempo["uid"]
    # The label that the exporter gives its exemplars.
    assert destination["name"] == "trace_id"
    store = configuration("tempo/tempo.yml")
    receiver = store["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    assert environment("shop")["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://tempo:{receiver.rpartition(':')[2]}"
    assert tempo["url"] == f"http://tempo:{store['server']['http_listen_port']}"
    assert "--enable-feature=exemplar-storage" in command("prometheus")


def test_grafana_finds_the_dashboards() -> None:
    [provider] = configuration("provisioning/dashboards/dashboards.yml")["providers"]
    assert (DASHBOARDS, Path(provider["options"]["path"])) in [
        (source.resolve(), target) for source, target in mounts(SERVICES["grafana"])
    ]
    assert list(DASHBOARDS.glob("*.json"))
