"""Saving and restoring the manager: to restore and go on equals never having stopped (spec 15)."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.reinforcement.applied import AppliedLabels
from agents.reinforcement.rewards import ReinforcementSignal, TradeResult
from agents.reinforcement.settings import ReinforcementSettings
from envs.artifact import Artifact, load_artifact, load_or_previous, save_artifact
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.rules.pool import N_EXPERTS, N_MODELS
from envs.core.types import MODEL_NAMES

if TYPE_CHECKING:
    from agents.reinforcement.manager import ReinforcementManager

SCHEMA_NAME = "reinforcement-manager"
SCHEMA_VERSION = 2
_GENERATORS = ("PCG64", "PCG64DXSM")
_N = len(MODEL_NAMES)
_SHAPES: dict[str, tuple[int, ...]] = {
    "platt": (2, N_MODELS, 2),
    "platt_bars": (2, N_MODELS),
    "posterior": (2, N_EXPERTS),
    "gap": (2, N_EXPERTS),
    "rounds": (2,),
}


def learned_under(settings: ReinforcementSettings) -> dict[str, Any]:
    """Settings that shape what is learned; where and how often it is saved is not among them."""
    return {
        f.name: getattr(settings, f.name)
        for f in fields(settings)
        if f.metadata.get("hashed", True)
    }


def save_manager(manager: ReinforcementManager, path: Path, **stamp: Any) -> None:
    """Write the manager's whole state; ``stamp`` as in ``save_artifact``."""
    m = manager
    symbols, labels = m.labels.to_arrays()
    ids = list(m.signals)
    figures = [
        (s.raw_reward, s.shaped, s.baseline, s.advantage, *s.contributions, *s.weights)
        for s in m.signals.values()
    ]
    payload = {
        "algorithm": m.algorithm,
        "horizon_bars": m.horizon_bars,
        "settings": learned_under(m.settings),
        "weights": list(m.weights),
        "trades": m.trades,
        "raw_reward": m.raw_reward,
        "last_trade_ns": m.last_trade_ns,
        "last_label_ns": m.labels.last_ns,
        "advantages": list(m.advantages),
        "history": [list(asdict(t).values()) for t in m.shaper.history],
        "shaped": list(m.shaper.shaped),
        "trade_ids": ids,
        "label_symbols": symbols,
        "random": _generator_state(m.rng),
    }
    arrays = {
        **m.pool.arrays(),
        "own_gap": m.gap,
        "calibration": m.calibration.stats,
        "calibration_counts": m.calibration.counts,
        "signals": np.asarray(figures, dtype=np.float64).reshape(-1, 4 + 2 * _N),
        "labels": labels,
    }
    save_artifact(
        path, schema_name=SCHEMA_NAME, schema_version=SCHEMA_VERSION, payload=payload,
        arrays=arrays, **stamp,
    )  # fmt: skip


def restore_manager(manager: ReinforcementManager, path: Path) -> None:
    """Take over the state of a file saved under the same settings; else nothing changes.

    A damaged file is refused, and the intact copy it replaced taken with a warning.
    """
    artifact = load_or_previous(path, lambda p: _read(p, None))
    _expect_same(path, manager, artifact.payload)
    _take(manager, artifact)


def load_manager(
    maker: type[ReinforcementManager], path: Path, feature_schema_hash: str | None
) -> ReinforcementManager:
    """Build a manager with the settings of a file, or of its copy, and take over its state."""
    artifact = load_or_previous(path, lambda p: _read(p, feature_schema_hash))
    payload = artifact.payload
    expected = set(learned_under(ReinforcementSettings()))
    if set(payload["settings"]) != expected:
        wrong = ", ".join(sorted(set(payload["settings"]) ^ expected))
        raise RefusedArtifact(f"{path}: settings: missing or unknown fields {wrong}")
    manager = maker(ReinforcementSettings(**payload["settings"]), int(payload["horizon_bars"]))
    _take(manager, artifact)
    return manager


def _read(path: Path, feature_schema_hash: str | None) -> Artifact:
    return load_artifact(
        path, schema_name=SCHEMA_NAME, max_version=SCHEMA_VERSION,
        feature_schema_hash=feature_schema_hash,
    )  # fmt: skip


def _expect_same(path: Path, m: ReinforcementManager, payload: dict[str, Any]) -> None:
    pairs = [("horizon_bars", m.horizon_bars, payload["horizon_bars"])]
    pairs += [(k, v, payload["settings"].get(k)) for k, v in learned_under(m.settings).items()]
    for name, expected, found in pairs:
        if expected != found:
            raise RefusedArtifact(f"{path}: {name}: expected {expected!r}, found {found!r}")


def _take(m: ReinforcementManager, artifact: Artifact) -> None:
    payload = artifact.payload
    arrays = {name: artifact.array(name, shape) for name, shape in _SHAPES.items()}
    gap = artifact.array("own_gap", (2, N_EXPERTS))
    stats = artifact.array("calibration", (3, _N))
    counts = artifact.array("calibration_counts", (_N,))
    figures = artifact.array("signals", (len(payload["trade_ids"]), 4 + 2 * _N))
    labels = AppliedLabels.from_arrays(
        payload["label_symbols"], artifact.array("labels"), int(payload["last_label_ns"])
    )
    history = [TradeResult(*row) for row in payload["history"]]
    rng = _generator(artifact.path, payload["random"])
    if len(payload["weights"]) != _N:
        raise RefusedArtifact(
            f"{artifact.path}: weights: expected {_N}, found {len(payload['weights'])}"
        )
    m.pool.load_arrays(arrays)
    m.gap = gap.copy()
    m.calibration.stats, m.calibration.counts = stats.copy(), counts.copy()
    m.labels = labels
    m.weights = tuple(payload["weights"])
    m.trades, m.raw_reward = int(payload["trades"]), float(payload["raw_reward"])
    m.last_trade_ns = int(payload["last_trade_ns"])
    m.advantages = list(payload["advantages"])
    m.shaper.history.clear()
    m.shaper.history.extend(history)
    m.shaper.shaped.clear()
    m.shaper.shaped.extend(payload["shaped"])
    m.signals = {
        trade_id: _signal(row)
        for trade_id, row in zip(payload["trade_ids"], figures.tolist(), strict=True)
    }
    m.rng = rng


def _signal(row: list[float]) -> ReinforcementSignal:
    raw, shaped, baseline, advantage = row[:4]
    return ReinforcementSignal(
        raw, shaped, baseline, advantage, tuple(row[4 : 4 + _N]), tuple(row[4 + _N :])
    )


def _generator_state(rng: np.random.Generator | None) -> dict[str, Any] | None:
    if rng is None:
        return None
    state = dict(rng.bit_generator.state)
    if state["bit_generator"] not in _GENERATORS:
        raise FixInput(
            f"a generator of kind {state['bit_generator']} cannot be saved: use "
            f"{' or '.join(_GENERATORS)}"
        )
    return state


def _generator(path: Path, state: dict[str, Any] | None) -> np.random.Generator | None:
    if state is None:
        return None
    kind = state.get("bit_generator")
    if kind not in _GENERATORS:
        raise RefusedArtifact(f"{path}: random: expected one of {_GENERATORS}, found {kind!r}")
    bits: Any = getattr(np.random, kind)()
    bits.state = state
    return np.random.Generator(bits)
