"""Saving and loading sizing agents in the artifact envelope (spec 15)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from agents.checkpoint_versions import SCHEMA_NAME, SCHEMA_VERSION
from agents.deep.agent import ALGORITHMS, NetworkAgent
from agents.protocol import SizingAgent
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.ev_kelly import EvKelly
from agents.sizing.q_learning import QLearningAgent
from envs.artifact import load_artifact, load_or_previous, save_artifact
from envs.core.actions import ActionPreset, preset
from envs.core.errors import FixInput, FixSettings, RefusedArtifact


def _network(algorithm: str, grid: ActionPreset, _: SizingSettings) -> SizingAgent:
    return NetworkAgent(grid, algorithm)


_MAKERS: dict[str, Callable[[ActionPreset, SizingSettings], SizingAgent]] = {
    "table": CounterfactualAgent,
    "classic": QLearningAgent,
    "ev_kelly": EvKelly,
    **{name: partial(_network, name) for name in ALGORITHMS},
}
_KINDS: dict[type, str] = {
    CounterfactualAgent: "table",
    QLearningAgent: "classic",
    EvKelly: "ev_kelly",
}


def save_agent(
    path: Path, agent: SizingAgent, *, settings: SizingSettings, created_ns: int = 0,
    config_hash: str = "", feature_schema_hash: str = "", extra: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write an agent's state with the settings it was trained under.

    Raises:
        FixInput: The agent is of a kind that cannot be rebuilt from a file.
    """
    kind = agent.name if isinstance(agent, NetworkAgent) else _KINDS.get(type(agent))
    if kind is None:
        known = ", ".join(_MAKERS)
        raise FixInput(f"{path}: cannot save a {type(agent).__name__}: only {known}")
    values, arrays = agent.state_dict()
    payload = {
        "agent": kind,
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
    path: Path, *, feature_schema_hash: str | None = None, expected_preset: str | None = None,
    config_hash: str | None = None,
) -> tuple[SizingAgent, dict[str, Any]]:  # fmt: skip
    """Rebuild an agent from its file; returns it and the ``extra`` it was saved with.

    Raises:
        RefusedArtifact: Damaged or malformed file, other features or configuration, or another
            preset than expected; names the file, what was expected and what was found.
    """
    artifact = load_artifact(
        path, schema_name=SCHEMA_NAME, max_version=SCHEMA_VERSION,
        feature_schema_hash=feature_schema_hash,
    )  # fmt: skip
    if config_hash is not None and artifact.config_hash != config_hash:
        raise RefusedArtifact(
            f"{path}: config hash: expected {config_hash}, found {artifact.config_hash}"
        )
    payload = artifact.payload
    if payload.get("agent") not in _MAKERS:
        raise RefusedArtifact(
            f"{path}: agent: expected one of {', '.join(_MAKERS)}, found {payload.get('agent')!r}"
        )
    try:
        grid = preset(expected_preset or payload["preset"])
        agent = _MAKERS[payload["agent"]](grid, stored_settings(payload["settings"]))
        agent.load_state_dict((payload["state"], artifact.arrays))
        extra = dict(payload["extra"])
    except (RefusedArtifact, FixSettings) as error:
        raise RefusedArtifact(f"{path}: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RefusedArtifact(f"{path}: malformed content: {error!r}") from error
    return agent, extra


def restore_agent(path: Path, **expected: Any) -> tuple[SizingAgent, dict[str, Any]]:
    """``load_agent`` for a running system: from a damaged file the copy before it, with a warning.

    What was learned between the two must be learned again, from the journal.

    Raises:
        RefusedArtifact: Both are damaged, or the file is not what is expected.
    """
    return load_or_previous(path, partial(load_agent, **expected))


def stored_settings(stored: Mapping[str, Any]) -> SizingSettings:
    """Settings as they were saved.

    Raises:
        RefusedArtifact: A field is missing or unknown; nothing is filled in silently.
    """
    expected = {f.name for f in fields(SizingSettings)}
    if set(stored) != expected:
        wrong = sorted(set(stored) ^ expected)
        raise RefusedArtifact(f"sizing settings: missing or unknown fields {', '.join(wrong)}")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    return SizingSettings(**values)
