"""Checkpoints of a stable-baselines3 learner: plain arrays and JSON, nothing pickled.

A checkpoint holds the weights, Adam's moments, the counters, the environments and (DQN) the replay
memory. Chance is not saved: training begins it anew from the seed at each checkpoint, so a resumed
run goes on exactly as the unbroken one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from agents.deep.agent import Layer, NetworkAgent
from envs.artifact import load_artifact, load_or_previous, previous, save_artifact
from envs.core.actions import ActionPreset
from envs.core.errors import RefusedArtifact

CHECKPOINT = "deep.json"
SCHEMA_NAME = "deep-checkpoint"
SCHEMA_VERSION = 1
_COUNTERS = ("num_timesteps", "_n_updates", "_n_calls", "exploration_rate")
_MEMORY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def save_model(
    path: Path, model: Any, algorithm: str, config_hash: str, *, finished: bool = False
) -> None:
    """Write all that going on learning needs; ``finished`` drops the replay memory and old copy."""
    arrays = {f"policy.{k}": _array(t) for k, t in model.policy.state_dict().items()}
    for i, moments in model.policy.optimizer.state_dict()["state"].items():
        arrays.update({f"adam.{i}.{k}": _array(t) for k, t in moments.items()})
    world, standing = model.get_env().get_state()
    arrays.update({f"env.{k}": a for k, a in standing.items()})
    arrays["env.episode_starts"] = np.asarray(model._last_episode_starts, dtype=np.bool_)
    counters = {name: getattr(model, name) for name in _COUNTERS if hasattr(model, name)}
    payload: dict[str, Any] = {
        "algorithm": algorithm, "counters": counters, "env": world,
    }  # fmt: skip
    replay = getattr(model, "replay_buffer", None)
    if replay is not None and not finished:
        payload["memory"] = {"pos": int(replay.pos), "full": bool(replay.full)}
        filled = replay.buffer_size if replay.full else replay.pos
        arrays.update({f"memory.{k}": getattr(replay, k)[:filled] for k in _MEMORY})
    save_artifact(
        path, schema_name=SCHEMA_NAME, schema_version=SCHEMA_VERSION, payload=payload,
        arrays=arrays, config_hash=config_hash,
    )  # fmt: skip
    if finished:
        for file in (path, path.with_suffix(".npz")):
            previous(file).unlink(missing_ok=True)


def load_model(path: Path, model: Any, algorithm: str, config_hash: str) -> None:
    """Put a checkpoint's content into a learner that was built with the same settings.

    Of a damaged file the copy of the checkpoint before is taken, with a warning.

    Raises:
        RefusedArtifact: Damaged file, another algorithm or configuration, or other shapes.
    """
    import torch

    artifact = load_or_previous(
        path, lambda p: load_artifact(p, schema_name=SCHEMA_NAME, max_version=SCHEMA_VERSION)
    )
    for what, expected, found in (
        ("config hash", config_hash, artifact.config_hash),
        ("algorithm", algorithm, artifact.payload["algorithm"]),
    ):
        if expected != found:
            raise RefusedArtifact(f"{path}: {what}: expected {expected}, found {found}")
    groups: dict[str, dict[str, Any]] = {"policy": {}, "adam": {}, "memory": {}, "env": {}}
    for name, array in artifact.arrays.items():
        kind, _, rest = name.partition(".")
        groups[kind][rest] = array
    try:
        model.policy.load_state_dict({k: torch.from_numpy(a) for k, a in groups["policy"].items()})
    except RuntimeError as error:
        raise RefusedArtifact(f"{path}: the network has other layers: {error}") from error
    _load_moments(model.policy.optimizer, groups["adam"])
    for name, value in artifact.payload["counters"].items():
        setattr(model, name, value)
    model._last_episode_starts = groups["env"].pop("episode_starts")
    model._last_obs = model.get_env().set_state(artifact.payload["env"], groups["env"])
    if groups["memory"]:
        _load_memory(model.replay_buffer, groups["memory"], artifact.payload["memory"])


def network_of(model: Any, algorithm: str, preset: ActionPreset) -> NetworkAgent:
    """The sizing agent a learner has become: the layers that score actions, taken out of it."""
    from torch import nn

    policy = model.policy
    if algorithm == "dqn":
        modules = list(policy.q_net.q_net)
    else:
        modules = [*policy.mlp_extractor.policy_net, policy.action_net]
    layers: list[Layer] = [
        (_array(m.weight), _array(m.bias)) for m in modules if isinstance(m, nn.Linear)
    ]
    return NetworkAgent(preset, algorithm, "relu" if algorithm == "dqn" else "tanh", layers)


def _load_moments(optimizer: Any, arrays: dict[str, Any]) -> None:
    import torch

    state: dict[int, dict[str, Any]] = {}
    for name, array in arrays.items():
        i, _, kind = name.partition(".")
        state.setdefault(int(i), {})[kind] = torch.from_numpy(array.copy())
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _load_memory(memory: Any, arrays: dict[str, Any], place: dict[str, Any]) -> None:
    for name in _MEMORY:
        kept = arrays[name]
        target = getattr(memory, name)
        if kept.shape[0] > target.shape[0] or kept.shape[1:] != target.shape[1:]:
            raise RefusedArtifact(
                f"replay memory {name}: expected at most {target.shape}, found {kept.shape}"
            )
        target[: kept.shape[0]] = kept
    memory.pos, memory.full = int(place["pos"]), bool(place["full"])


def _array(tensor: Any) -> np.ndarray[Any, Any]:
    return np.array(tensor.detach().cpu().numpy())
