"""The reinforcement manager: model weights, their calibration, and what it learned from (spec 6).

Two units of learning: resolved labels move the aggregating pool and the calibration statistics,
closed trades the exponential weights. Each unit has an id and is applied at most once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.reinforcement.aggregating import AggregatingPool
from agents.reinforcement.calibration import Calibration
from agents.reinforcement.rewards import ReinforcementSignal, RewardShaper, TradeResult
from agents.reinforcement.settings import ALGORITHMS, ReinforcementSettings
from agents.reinforcement.weights import INITIAL_WEIGHTS, exploration_rate, exponential_update
from envs.core.errors import FixSettings
from envs.core.trade import ResolvedLabel
from envs.core.types import MODEL_NAMES, BoolArray, Float64Array

AGGREGATING = ("aa", "fixed_share")
_REPORTED = 20
_LIMITS = ((0.05, 60.0), (0.30, 70.0), (-0.5, 50.0))


class ReinforcementManager:
    """Weights and scalers of the four models under one of the algorithms of spec 6.6.

    Args:
        settings: parameters; ``auto`` must have been resolved to an algorithm by the caller.
        horizon_bars: label horizon, which sets the learning rates of the pool.
    """

    def __init__(self, settings: ReinforcementSettings, horizon_bars: int) -> None:
        if settings.algorithm not in ALGORITHMS:
            raise FixSettings(
                f"RL_WEIGHT_ALGORITHM={settings.algorithm!r}: choose one of {', '.join(ALGORITHMS)}"
            )
        self.settings, self.horizon_bars = settings, horizon_bars
        self.algorithm = settings.algorithm
        self.pool = AggregatingPool(settings, horizon_bars, settings.algorithm)
        self.calibration = Calibration()
        self.weights: tuple[float, ...] = INITIAL_WEIGHTS
        self.trades = 0
        self.raw_reward = 0.0
        self._shaper = RewardShaper(settings)
        self._advantages: list[float] = []
        self._signals: dict[str, ReinforcementSignal] = {}
        self._labels: set[tuple[str, int]] = set()

    def learn_trade(
        self,
        trade_id: str,
        trade: TradeResult,
        agreement: Sequence[int],
        confidence: Sequence[float],
    ) -> ReinforcementSignal:
        """Learn one closed trade; the same id again returns the stored result.

        ``agreement`` per model: +1 voted the traded side, -1 the opposite one, 0 neither.
        """
        if trade_id in self._signals:
            return self._signals[trade_id]
        shaped, baseline, advantage = self._shaper.score(trade)
        contributions = tuple(g * c * advantage for g, c in zip(agreement, confidence, strict=True))
        self.weights = exponential_update(self.weights, advantage, agreement, self.settings)
        self.trades += 1
        self.raw_reward += trade.pnl
        self._advantages = [*self._advantages, advantage][-_REPORTED:]
        signal = ReinforcementSignal(
            trade.pnl, shaped, baseline, advantage, contributions, self.weights
        )
        self._signals[trade_id] = signal
        return signal

    def learn_labels(self, labels: Sequence[ResolvedLabel]) -> None:
        """Learn the labels that ended at one bar: one update of the pool, claims one by one."""
        new = [label for label in labels if label.id not in self._labels]
        if not new:
            return
        self._labels.update(label.id for label in new)
        up, down = (np.stack([getattr(x, n) for x in new]) for n in ("p_up", "p_down"))
        y_long = np.array([float(x.y_long) for x in new])
        y_short = np.array([float(x.y_short) for x in new])
        self.pool.learn(up, down, y_long, y_short)
        for label in new:
            for m in range(len(MODEL_NAMES)):
                p, q = float(label.p_up[m]), float(label.p_down[m])
                if p == p and p != q:
                    claim, right = (p, label.y_long) if p > q else (q, label.y_short)
                    self.calibration.learn(m, claim, right)

    def predict(
        self, p_up: Float64Array, p_down: Float64Array
    ) -> tuple[float, float, Float64Array]:
        """Pooled P(long net profitable), P(short ...), and the weights (4,) behind them."""
        valid = np.isfinite(p_up) & np.isfinite(p_down)
        weights = self.weights_of(valid)
        if self.algorithm in AGGREGATING:
            up, down = self.pool.predict(p_up, p_down)
            return up, down, weights
        kappa = self.settings.vote_kappa
        scalers = np.array([self.calibration.scaler(m, kappa) for m in range(len(MODEL_NAMES))])
        score = weights * scalers
        return (
            float(np.dot(score[valid], p_up[valid])),
            float(np.dot(score[valid], p_down[valid])),
            weights,
        )

    def weights_of(self, valid: BoolArray) -> Float64Array:
        """Weights over the valid models, the absent ones' share redistributed in proportion."""
        if self.algorithm in AGGREGATING:
            raw = self.pool.weights()
        elif self.algorithm == "uniform":
            raw = np.full(len(MODEL_NAMES), 0.25)
        else:
            raw = np.asarray(self.weights)
        raw = np.where(valid, raw, 0.0)
        total = float(raw.sum())
        return np.asarray(raw / total) if total > 0.0 else raw

    def get_confidence_scaler(self, model: str) -> float:
        """Reported scaler of a model, in [0.5, 1.5]."""
        return self.calibration.scaler(MODEL_NAMES.index(model), self.settings.kappa)

    def get_diagnostics(self) -> dict[str, Any]:
        """What the manager knows of itself, plain values."""
        valid = np.ones(len(MODEL_NAMES), dtype=np.bool_)
        recent = list(self._shaper.shaped)
        past = [t.pnl for t in self._shaper.history][-_REPORTED:]
        named = dict(zip(MODEL_NAMES, self.weights_of(valid).tolist(), strict=True))
        return {
            "algorithm": self.algorithm,
            "total_trades_processed": self.trades,
            "total_reward_accumulated": self.raw_reward,
            "weight_update_count": self.trades,
            "model_weights": named,
            "confidence_scalers": {m: self.get_confidence_scaler(m) for m in MODEL_NAMES},
            "calibration_metrics": {
                "brier_scores": list(self.calibration.brier),
                "calibration_errors": list(self.calibration.error),
                "excess": list(self.calibration.excess),
                "sample_counts": list(self.calibration.samples),
            },
            "baseline_reward": _mean(recent),
            "exploration_rate": exploration_rate(self.trades, self.settings),
            "recent_performance": {
                "avg_shaped_reward": _mean(recent),
                "avg_advantage": _mean(self._advantages),
                "avg_raw_pnl": _mean(past),
            },
            "health": self.health(),
        }

    def health(self) -> float:
        """Score 0..100, capped by scattered weights, a bad Brier score, or poor rewards."""
        valid = np.ones(len(MODEL_NAMES), dtype=np.bool_)
        score = 100.0
        (spread, spread_cap), (miss, miss_cap), (poor, poor_cap) = _LIMITS
        if float(np.var(self.weights_of(valid))) > spread:
            score = min(score, spread_cap)
        if _mean(self.calibration.brier) > miss:
            score = min(score, miss_cap)
        if _mean(list(self._shaper.shaped)) < poor:
            score = min(score, poor_cap)
        return score

    def reset_weights(self) -> None:
        """Back to the initial weights and a uniform posterior."""
        self.weights = INITIAL_WEIGHTS
        self.pool.posterior[:] = 1.0 / self.pool.posterior.shape[1]

    def reset_calibration(self) -> None:
        """Forget calibration statistics and online Platt parameters."""
        self.calibration = Calibration()
        self.pool.platt[:] = np.array([1.0, 0.0])
        self.pool.bars[:] = 0.0


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values)) if values else 0.0
