"""Agents, manager and advisers as files of a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.checkpoint import load_agent, save_agent
from agents.protocol import SizingAgent
from agents.reinforcement.manager import ReinforcementManager
from agents.settings import SizingSettings
from agents.sizing.math_mode import MathModeAgent
from envs.artifact import load_artifact
from envs.core.errors import RefusedArtifact
from runtime.learning.checkpoints import Saved


@dataclass(frozen=True)
class SavedAgent:
    """A sizing agent; restoring changes it in place."""

    agent: Any
    name: str = "sizing"

    def save(self, path: Path) -> None:
        """Write its state with the settings it learns under."""
        save_agent(path, self.agent, settings=self._settings())

    def restore(self, path: Path) -> None:
        """Take over a state.

        Raises:
            RefusedArtifact: Another kind or preset, or other settings; damage is refused too.
        """
        found, _ = load_agent(path, expected_preset=self.agent.preset.name)
        theirs = getattr(found, "settings", None)
        if type(found) is not type(self.agent) or theirs != getattr(self.agent, "settings", None):
            raise RefusedArtifact(
                f"{path}: expected the {type(self.agent).__name__} of this run's settings, found a "
                f"{type(found).__name__} of others"
            )
        self.agent.load_state_dict(found.state_dict())

    def _settings(self) -> SizingSettings:
        settings = getattr(self.agent, "settings", None)
        return settings if isinstance(settings, SizingSettings) else SizingSettings()


@dataclass(frozen=True)
class SavedManager:
    """The reinforcement manager, asked for when it is saved: then it has learned all it can."""

    manager: Callable[[], ReinforcementManager]
    name: str = "reinforcement"

    def save(self, path: Path) -> None:
        """Write everything learned."""
        self.manager().checkpoint(path)

    def restore(self, path: Path) -> None:
        """Take over a checkpoint of the same settings."""
        self.manager().restore(path)


@dataclass(frozen=True)
class SavedAdviser:
    """An adviser with its own ``checkpoint`` and ``restore``."""

    adviser: Any

    @property
    def name(self) -> str:
        """Name of its file."""
        return "adviser-" + str(self.adviser.name).replace(" ", "-")

    def save(self, path: Path) -> None:
        """Write everything learned."""
        self.adviser.checkpoint(path)

    def restore(self, path: Path) -> None:
        """Take over a checkpoint."""
        self.adviser.restore(path)


def saved_parts(
    agent: SizingAgent, manager: Callable[[], ReinforcementManager], advisers: Sequence[Any]
) -> tuple[Saved, ...]:
    """Everything that learns, in the order of its files."""
    inner: tuple[Saved, ...] = (SavedAgent(agent),)
    if isinstance(agent, MathModeAgent):
        inner = (SavedAgent(agent.learner), SavedAdviser(agent.kelly))
    return (*inner, SavedManager(manager), *(SavedAdviser(a) for a in advisers))


def content_digest_of(path: Path) -> str:
    """Digest of a file's content, whatever learned it: equal learning, equal digest.

    Raises:
        RefusedArtifact: No such file, or a damaged one.
    """
    try:
        said = json.loads(path.read_bytes())
        name, version = str(said["schema_name"]), int(said["schema_version"])
    except (OSError, ValueError, KeyError) as error:
        raise RefusedArtifact(f"{path}: cannot be read: {error}") from error
    return load_artifact(path, schema_name=name, max_version=version).digest()
