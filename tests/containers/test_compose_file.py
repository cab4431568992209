"""The compose file names settings, secrets and commands that exist, and opens nothing to the network."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.settings import Settings, load

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OF_THE_CLI = {"SECRETS_DIR", "URL", "KEY_FILE", "CA_FILE", "FLEET_STATE"}
OURS = ("controller", "enrolment", "fleet")


def service(name: str) -> dict[str, Any]:
    return COMPOSE["services"][name]


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name):
    names = {key.removeprefix("HIKITSUGI_") for key in service(name).get("environment", {})}

    assert {key.lower() for key in names - OF_THE_CLI} <= set(Settings.model_fields)


def test_every_secret_of_the_controller_is_a_setting():
    assert set(service("controller")["secrets"]) <= set(Settings.model_fields)


def test_the_controllers_settings_are_accepted(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for key, value in service("controller")["environment"].items():
        monkeypatch.setenv(key, str(value))
    (tmp_path / "database_url").write_text("postgresql://hikitsugi:secret@postgres/hikitsugi")

    settings = load(secrets_dir=tmp_path)

    assert settings.api_uses_tls
    assert str(settings.device_advertise).startswith(
        service("controller")["networks"]["access"]["ipv4_address"] + ":"
    ), "adapters are sent to the address the controller has"


def test_ports_are_published_on_loopback_only():
    published = [port for name in COMPOSE["services"] for port in service(name).get("ports", [])]

    assert published
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+(/udp)?", port) for port in published)


@pytest.mark.parametrize("name", OURS)
def test_no_container_of_ours_keeps_a_privilege(name):
    assert service(name)["cap_drop"] == ["ALL"]
    assert service(name)["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service(name)


def test_the_database_is_reached_by_the_controller_alone():
    assert COMPOSE["networks"]["database"]["internal"] is True
    assert [name for name in COMPOSE["services"] if "database" in service(name)["networks"]] == [
        "postgres",
        "controller",
    ]


def test_the_fleet_trusts_and_asks_the_controller_at_its_fixed_address():
    [script] = service("fleet")["command"]

    assert f"--ls-url https://{service('controller')['networks']['access']['ipv4_address']}:8443/ls" in script
    assert f"--ports-address {service('fleet')['networks']['access']['ipv4_address']}" in script


def test_the_image_runs_as_nobody_special():
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    assert [line for line in lines if line.startswith("USER ")][-1] == "USER 10001:10001"
    assert "ARG BASE=python:3.11-slim-bookworm" in lines
