"""The shop and its load, run by the commands of docker-compose.yml, with ports of this machine in place of theirs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from compose_file import SERVICES, command, environment
from conftest import WaitUntil
from example_programs import EXAMPLES, free_port
from otlp_receiver import OtlpReceiver

pytestmark = pytest.mark.slow


def translated(words: list[str], ports: dict[str, str]) -> list[str]:
    def translate(word: str) -> str:
        return re.sub(r"\b(8080|9464)\b", lambda port: ports[port[0]], word.replace("0.0.0.0", "127.0.0.1"))

    return [sys.executable if word == "python" else translate(word) for word in words]


@contextmanager
def running(name: str, ports: dict[str, str], **replaced: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        translated(command(name), ports),
        cwd=EXAMPLES,
        env=os.environ | environment(name) | replaced,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def is_healthy(name: str, ports: dict[str, str]) -> bool:
    check, *words = SERVICES[name]["healthcheck"]["test"]
    assert check == "CMD"
    return subprocess.run(translated(words, ports), stderr=subprocess.DEVNULL).returncode == 0


def exemplars(port: str) -> set[str]:
    """The traces that the page leads to, as it is served to Prometheus."""
    openmetrics = {"Accept": "application/openmetrics-text; version=1.0.0"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=openmetrics)
    with urllib.request.urlopen(request, timeout=10) as page:
        return set(re.findall(r'trace_id="(\w{32})"', page.read().decode()))


def test_exemplars_on_the_page_of_the_shop_lead_to_traces_that_were_sent(wait_until: WaitUntil) -> None:
    ports = {"8080": str(free_port()), "9464": str(free_port())}
    assert not is_healthy("shop", ports)
    with OtlpReceiver() as store, running("shop", ports, OTEL_EXPORTER_OTLP_ENDPOINT=store.endpoint) as shop:
        wait_until(lambda: is_healthy("shop", ports), 30)
        with running("load", ports) as load:
            wait_until(lambda: is_healthy("load", ports))

            def lead_to_traces() -> bool:
                sent = {span.trace_id.hex() for _, _, span in store.spans()}
                return bool(exemplars(ports["9464"]) & sent)

            wait_until(lead_to_traces, 60)
            assert store.metrics() == store.logs() == []
            assert load.poll() is None
        shop.terminate()
        assert shop.wait(20) == 0
