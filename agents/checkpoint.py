"""Saving and loading sizing agents in the artifact envelope."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.protocol import SizingAgent
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from envs.artifact import load_artifact, save_artifact
from envs.core.actions import preset
from envs.core.errors import RefusedArtifact

SCHEMA_NAME = "sizing-agent"
SCHEMA_VERSION = 1


def save_agent(
    path: Path, agent: SizingAgent, *, settings: SizingSettings, created_ns: int = 0,
    config_hash: str = "", feature_schema_hash: str = "", extra: dict[str, Any] | None = None,
) -> None:
    """Write an agent's state with the settings it was trained under."""
    values, arrays = agent.state_dict()
    payload = {
        "agent": agent.name,
        "preset": agent.preset.name,
        "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in vars(settings).items()},
        "state": values,
        "extra": extra or {},
    }
    save_artifact(
        path, schema_name=SCHEMA_NAME, schema_version=SCHEMA_VERSION, payload=payload,
        arrays=arrays, created_ns=created_ns, config_hash=config_hash,
        feature_schema_hash=feature_schema_hash,
    )  # fmt: skip


def load_agent(
    path: Path, *, feature_schema_hash: str | None = None, expected_preset: str | None = None
) -> tuple[SizingAgent, dict[str, Any]]:
    """Rebuild an agent from its file; returns it and the ``extra`` it was saved with.

    Raises:
        RefusedArtifact: Damaged file, other features, or another preset than expected.
    """
    artifact = load_artifact(
        path, schema_name=SCHEMA_NAME, max_version=SCHEMA_VERSION,
        feature_schema_hash=feature_schema_hash,
    )  # fmt: skip
    payload = artifact.payload
    stored = dict(payload["settings"])
    stored["shrink_k"] = tuple(stored["shrink_k"])
    settings = SizingSettings(**stored)
    grid = preset(expected_preset or payload["preset"])
    makers = {"table": CounterfactualAgent, "classic": QLearningAgent}
    if payload["agent"] not in makers:
        raise RefusedArtifact(f"{path}: unknown agent {payload['agent']!r}")
    agent: SizingAgent = makers[payload["agent"]](grid, settings)
    agent.load_state_dict((payload["state"], artifact.arrays))
    return agent, payload["extra"]
