"""What the manager reports of itself: figures and health (spec 6.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.reinforcement.persistence import learned_under
from envs.core.types import MODEL_NAMES

if TYPE_CHECKING:
    from agents.reinforcement.manager import ReinforcementManager

_REPORTED = 20
_MAX_VARIANCE, _VARIANCE_CAP = 0.05, 60.0
_MAX_BRIER, _BRIER_CAP = 0.30, 70.0
_MIN_SHAPED, _SHAPED_CAP = -0.5, 50.0
_MAX_EXPLORATION = 0.15


@dataclass(frozen=True)
class Health:
    """Score 0..100, and what lowered it or deserves attention."""

    score: float
    issues: tuple[str, ...]


def collect(manager: ReinforcementManager) -> dict[str, Any]:
    """Figures of the manager as plain values; ``regret`` has bound None where none is proved."""
    m, c = manager, manager.calibration
    recent = list(m.shaper.shaped)
    raw = [t.pnl for t in m.shaper.history][-_REPORTED:]
    health = m.health()
    return {
        "algorithm": m.algorithm,
        "total_trades_processed": m.trades,
        "total_reward_accumulated": m.raw_reward,
        "weight_update_count": m.trades,
        "model_weights": dict(zip(MODEL_NAMES, m.raw_weights().tolist(), strict=True)),
        "confidence_scalers": {name: m.get_confidence_scaler(name) for name in MODEL_NAMES},
        "calibration_metrics": {
            "brier_scores": c.brier,
            "calibration_errors": c.error,
            "excess": c.excess,
            "sample_counts": c.samples,
        },
        "baseline_reward": _mean(recent),
        "exploration_rate": m.exploration_rate(),
        "recent_performance": {
            "avg_shaped_reward": _mean(recent),
            "avg_advantage": _mean(m.advantages),
            "avg_raw_pnl": _mean(raw),
        },
        "learning_params": {
            **learned_under(m.settings),
            "horizon_bars": m.horizon_bars,
            "eta": m.pool.eta,
            "platt_rate": m.pool.rate,
        },
        "regret": asdict(m.regret()),
        "labels_learned": len(m.labels),
        "health": {"score": health.score, "issues": list(health.issues)},
    }


def judge(manager: ReinforcementManager) -> Health:
    """Score capped by scattered weights, bad forecasts or poor rewards; exploring costs nothing."""
    score, issues = 100.0, []
    variance = float(np.var(manager.raw_weights()))
    if variance > _MAX_VARIANCE:
        score = min(score, _VARIANCE_CAP)
        issues.append(f"weights are scattered: variance {variance:.4f} > {_MAX_VARIANCE}")
    brier = _mean(manager.calibration.brier)
    if brier > _MAX_BRIER:
        score = min(score, _BRIER_CAP)
        issues.append(f"forecasts are poor: mean Brier score {brier:.4f} > {_MAX_BRIER}")
    shaped = _mean(list(manager.shaper.shaped))
    if shaped < _MIN_SHAPED:
        score = min(score, _SHAPED_CAP)
        issues.append(f"rewards are poor: mean of the last 20 {shaped:.4f} < {_MIN_SHAPED}")
    eps = manager.exploration_rate()
    if eps > _MAX_EXPLORATION:
        issues.append(f"weights are still explored often: rate {eps:.3f} > {_MAX_EXPLORATION}")
    return Health(score, tuple(issues))


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values)) if values else 0.0
