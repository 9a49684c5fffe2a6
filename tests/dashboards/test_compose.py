"""docker-compose.yml and the image of the shop: what can be told without containers."""

from __future__ import annotations

import re

import pytest
from compose_file import COMPOSE, DASHBOARDS, ROOT, SERVICES, environment, mounts
from example_programs import EXAMPLES

DOCKERFILE = (EXAMPLES / "Dockerfile").read_text()

each_service = pytest.mark.parametrize("name", SERVICES)


@each_service
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), port


@each_service
def test_images_are_of_one_exact_version(name: str) -> None:
    assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", SERVICES[name]["image"])


def test_the_image_of_the_shop_is_built_on_one_exact_version() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    versions = {base.removesuffix("-bookworm").removesuffix("-slim") for base in bases}
    # A wheel that was built with another Python would not fit.
    assert len(bases) == 2
    assert [re.fullmatch(r"python:3\.\d+\.\d+", version) is not None for version in versions] == [True]


def test_the_image_of_the_shop_does_not_run_as_root() -> None:
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users
    assert users[-1] not in ("root", "0")


def test_what_the_image_copies_exists_and_is_sent_to_the_builder() -> None:
    ignored, *wanted = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert ignored == "*"
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert f"!{source.split('/')[0]}" in wanted, source


@each_service
def test_each_service_has_a_health_check_with_bounds(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries"} <= check.keys()


@each_service
def test_each_service_is_restarted_and_bounded_in_memory(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert re.fullmatch(r"\d+m", SERVICES[name]["mem_limit"])


@each_service
def test_services_start_when_what_they_depend_on_is_healthy(name: str) -> None:
    for dependency, how in SERVICES[name].get("depends_on", {}).items():
        assert dependency in SERVICES
        assert how == {"condition": "service_healthy"}


@each_service
def test_what_is_mounted_exists_and_is_read_only(name: str) -> None:
    for source, target in mounts(SERVICES[name]):
        assert source.is_dir(), source
        assert f":{target}:ro" in " ".join(SERVICES[name]["volumes"])


@each_service
def test_named_volumes_are_declared(name: str) -> None:
    named = {volume.split(":")[0] for volume in SERVICES[name].get("volumes", []) if not volume.startswith(".")}
    assert named <= COMPOSE["volumes"].keys()


def test_there_are_no_secrets_and_no_accounts() -> None:
    texts = [ROOT / "docker-compose.yml", EXAMPLES / "Dockerfile", *DASHBOARDS.rglob("*.yml")]
    for text in texts:
        assert not re.search(r"(?i)password|passwd|secret|token|api_?key|credential", text.read_text()), text
    grafana = environment("grafana")
    assert grafana["GF_AUTH_ANONYMOUS_ENABLED"] == grafana["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert grafana["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert grafana["GF_AUTH_BASIC_ENABLED"] == "false"
    assert grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"] in ("Viewer", "Editor")
