"""What the reinforcement manager has learned, as one number."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

import numpy as np

from agents.reinforcement.manager import ReinforcementManager


def manager_digest(manager: ReinforcementManager) -> str:
    """SHA-256 of everything a checkpoint of the manager would hold."""
    symbols, labels = manager.labels.to_arrays()
    values: dict[str, Any] = {
        "algorithm": manager.algorithm,
        "weights": manager.weights,
        "trades": manager.trades,
        "raw_reward": manager.raw_reward,
        "last_trade_ns": manager.last_trade_ns,
        "advantages": list(manager.advantages),
        "history": [tuple(asdict(t).values()) for t in manager.shaper.history],
        "shaped": list(manager.shaper.shaped),
        "signals": [(k, tuple(asdict(s).values())) for k, s in manager.signals.items()],
        "label_symbols": list(symbols),
        "last_label_ns": manager.labels.last_ns,
    }
    arrays = {
        **manager.pool.arrays(),
        "own_gap": manager.gap,
        "calibration": manager.calibration.stats,
        "calibration_counts": manager.calibration.counts,
        "labels": labels,
    }
    h = hashlib.sha256(repr(values).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        h.update(f"{name}{array.dtype.str}{array.shape}".encode())
        h.update(array.tobytes())
    return h.hexdigest()
