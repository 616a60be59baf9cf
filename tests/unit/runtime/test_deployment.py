"""Service, image and containers: what they promise, checked as far as this machine can."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.cli import COMMANDS
from runtime.settings_tree import READ_ELSEWHERE, variables


def unit(root: Path) -> dict[str, list[str]]:
    """Every key of the service with all its values."""
    found: dict[str, list[str]] = {}
    text = (root / "deploy" / "quant-trader.service").read_text(encoding="utf-8")
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def compose(root: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((root / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def known_names() -> set[str]:
    return {v.env for v in variables() if v.env} | set(READ_ELSEWHERE)


def test_the_service_is_hardened_and_restarts_only_what_may_restart(root: Path) -> None:
    found = unit(root)
    for key, value in (
        ("Type", "notify"), ("DynamicUser", "yes"), ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"), ("ProtectHome", "yes"), ("PrivateTmp", "yes"),
        ("CapabilityBoundingSet", ""), ("UMask", "0077"), ("Restart", "on-failure"),
        ("RestartPreventExitStatus", "2"), ("RestartSec", "200ms"),
    ):  # fmt: skip
        assert found[key] == [value], key


def test_the_service_gets_its_keys_as_credentials(root: Path) -> None:
    found = unit(root)
    given = {v.partition(":")[0] for v in found["LoadCredential"]}
    named = dict(v.split("=", 1) for v in found["Environment"])
    assert {named[f"QT_DEMO_API_{x}_FILE"].removeprefix("%d/") for x in ("KEY", "SECRET")} == given
    assert {n for n in named if n.startswith("QT_")} <= known_names()


def test_the_service_starts_a_command_that_there_is(root: Path) -> None:
    words = unit(root)["ExecStart"][0].split()
    assert words[1:3] == ["-m", "runtime"]
    assert words[3] in COMMANDS


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_accepts_the_service(root: Path, tmp_path: Path) -> None:
    text = (root / "deploy" / "quant-trader.service").read_text(encoding="utf-8")
    text = text.replace("/opt/quantum-trader/.venv/bin/python", "/bin/sh")
    text = re.sub(r"(?m)^WorkingDirectory=.*$", "WorkingDirectory=/", text)
    path = tmp_path / "quant-trader.service"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(path)],  # noqa: S607
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "quant-trader.service" not in done.stderr


def test_the_image_runs_as_nobody_special_and_says_how_it_is(root: Path) -> None:
    lines = (root / "Dockerfile").read_text(encoding="utf-8").splitlines()
    froms = [x for x in lines if x.startswith("FROM ")]
    assert all(re.match(r"FROM python:\d+\.\d+\.\d+-slim-\w+( AS \w+)?$", x) for x in froms)
    users = [x for x in lines if x.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    text = "\n".join(lines)
    assert '"runtime", "health"' in text
    assert text.index("USER") < text.index("ENTRYPOINT")
    assert "ADD " not in text
    copied = [x.split()[-2] for x in lines if x.startswith("COPY ") and "--from" not in x]
    assert all((root / name.rstrip("./")).exists() or name == "pyproject.toml" for name in copied)


def test_the_image_pins_what_the_constraints_pin(root: Path) -> None:
    constraints = (root / "constraints.txt").read_text(encoding="utf-8")
    torch = re.search(r"(?m)^torch==(\S+)$", constraints)
    assert torch is not None
    assert f"torch=={torch.group(1)}" in (root / "Dockerfile").read_text(encoding="utf-8")


def test_nothing_but_the_code_goes_to_the_builder(root: Path) -> None:
    lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [x for x in lines if x and not x.startswith("#")]
    assert rules[0] == "*"
    allowed = {x[1:] for x in rules if x.startswith("!")}
    assert "secrets" not in allowed
    assert all((root / name).exists() for name in allowed)


def test_containers_take_secrets_as_files_and_nothing_else(compose: dict[str, Any]) -> None:
    trader, journal = compose["services"]["trader"], compose["services"]["journal"]
    assert set(trader["secrets"]) | set(journal["secrets"]) == set(compose["secrets"])
    assert all(set(x) == {"file"} for x in compose["secrets"].values())
    for service in (trader, journal):
        for name, value in service["environment"].items():
            secret = name.endswith("_FILE")
            assert secret == value.startswith("/run/secrets/"), name
            if secret:
                assert value.removeprefix("/run/secrets/") in service["secrets"]
    assert set(trader["environment"]) <= known_names()


def test_the_trader_container_has_no_rights_and_waits_for_its_journal(
    compose: dict[str, Any],
) -> None:
    trader, journal = compose["services"]["trader"], compose["services"]["journal"]
    assert trader["read_only"] is True
    assert trader["cap_drop"] == ["ALL"]
    assert trader["depends_on"]["journal"]["condition"] == "service_healthy"
    assert "healthcheck" in journal
    assert re.fullmatch(r"postgres:\d+\.\d+-\w+", journal["image"])
    assert compose["networks"]["journal"]["internal"] is True
    assert "ports" not in trader
    assert "ports" not in journal


def test_the_package_offers_what_the_image_installs(root: Path) -> None:
    wanted = re.search(r'"\.\[(\w+)\]"', (root / "Dockerfile").read_text(encoding="utf-8"))
    assert wanted is not None
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(rf"(?m)^{wanted.group(1)} = \[", text)


def test_the_unit_file_is_one_that_configparser_reads_too(root: Path) -> None:
    parser = RawConfigParser(strict=False, delimiters=("=",))
    parser.read(root / "deploy" / "quant-trader.service")
    assert parser.sections() == ["Unit", "Service", "Install"]
