"""The reinforcement manager: model weights, their calibration, and what it learned from (spec 6).

Two units of learning: resolved labels move the aggregating pool and the calibration statistics,
closed trades the exponential weights. Each unit has an id and is applied at most once; what cannot
be learned is refused before anything changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from agents.reinforcement import diagnostics
from agents.reinforcement.algorithms import AGGREGATING, RULES
from agents.reinforcement.applied import AppliedLabels
from agents.reinforcement.calibration import Calibration
from agents.reinforcement.checks import check_label, check_trade, sides_of, votes_of_decision
from agents.reinforcement.diagnostics import Health
from agents.reinforcement.persistence import load_manager, restore_manager, save_manager
from agents.reinforcement.pool import AggregatingPool
from agents.reinforcement.regret import Regret, bound_of, used
from agents.reinforcement.rewards import ReinforcementSignal, RewardShaper, TradeResult
from agents.reinforcement.settings import ALGORITHMS, ReinforcementSettings
from agents.reinforcement.weights import INITIAL_WEIGHTS, exploration_rate, exponential_update
from envs.core.errors import FixInput, FixSettings
from envs.core.rules.pool import N_EXPERTS
from envs.core.rules.rounding import from_units
from envs.core.rules.state import decode_state
from envs.core.trade import ClosedTrade, ResolvedDecision, ResolvedLabel
from envs.core.types import MODEL_NAMES, BoolArray, Float64Array
from envs.core.weight_context import WeightContext

REPORTED = 20
_N = len(MODEL_NAMES)


class HasValidity(Protocol):
    """A model's vote: only whether it is valid is read here."""

    @property
    def valid(self) -> bool:
        """False for an abstention."""
        ...


class ReinforcementManager:
    """Weights and scalers of the four models under one of the algorithms of spec 6.6.

    Args:
        settings: parameters; ``auto`` must have been resolved to an algorithm by the caller.
        horizon_bars: label horizon, which sets the learning rates of the pool.
        rng: draws weight exploration; needed only where it is used.
    """

    def __init__(
        self,
        settings: ReinforcementSettings,
        horizon_bars: int,
        rng: np.random.Generator | None = None,
    ) -> None:
        if settings.algorithm not in ALGORITHMS:
            raise FixSettings(
                f"RL_WEIGHT_ALGORITHM={settings.algorithm!r}: choose one of {', '.join(ALGORITHMS)}"
            )
        self.settings, self.horizon_bars, self.rng = settings, horizon_bars, rng
        self.algorithm = settings.algorithm
        self._rule = RULES[settings.algorithm]
        self.pool = AggregatingPool(settings, horizon_bars, settings.algorithm)
        self.calibration = Calibration()
        self.weights: tuple[float, ...] = INITIAL_WEIGHTS
        self.trades = 0
        self.raw_reward = 0.0
        self.last_trade_ns = -1
        self.advantages: list[float] = []
        self.shaper = RewardShaper(settings)
        self.signals: dict[str, ReinforcementSignal] = {}
        self.labels = AppliedLabels()
        self.gap: Float64Array = np.zeros((2, N_EXPERTS))

    def learn_one(self, resolved: ResolvedDecision) -> ReinforcementSignal:
        """Learn the closed trade of a resolved decision, once; others change nothing.

        Raises:
            FixInput: A trade without votes, with a number that is not finite, or out of order.
        """
        outcome, decision = resolved.outcome, resolved.decision
        if not isinstance(outcome, ClosedTrade):
            return ReinforcementSignal(0.0, 0.0, 0.0, 0.0, (0.0,) * _N, self.weights, False)
        if decision.decision_id in self.signals:
            return self.signals[decision.decision_id]
        agreement, confidence = votes_of_decision(decision)
        trade = TradeResult(
            outcome.symbol,
            decode_state(decision.context.state)[0],
            from_units(outcome.net_units),
            from_units(outcome.notional_units),
            outcome.r_net,
            outcome.exit_ns,
        )
        return self.learn_trade(decision.decision_id, trade, agreement, confidence)

    def process_trade_outcome(self, resolved: ResolvedDecision) -> ReinforcementSignal:
        """Another name of ``learn_one``."""
        return self.learn_one(resolved)

    def learn_trade(
        self,
        trade_id: str,
        trade: TradeResult,
        agreement: Sequence[int],
        confidence: Sequence[float],
    ) -> ReinforcementSignal:
        """Learn one closed trade; the same id again returns the stored result.

        ``agreement`` per model: +1 voted the traded side, -1 the opposite one, 0 neither.

        Raises:
            FixInput: Missing votes, or a trade that closed before the last one learned.
        """
        if trade_id in self.signals:
            return self.signals[trade_id]
        check_trade(trade_id, trade.exit_ns, self.last_trade_ns, agreement, confidence)
        shaped, baseline, advantage = self.shaper.score(trade)
        contributions = tuple(
            g * c * advantage if g != 0 else 0.0 for g, c in zip(agreement, confidence, strict=True)
        )
        self.weights = exponential_update(self.weights, advantage, agreement, self.settings)
        self.trades += 1
        self.raw_reward += trade.pnl
        self.last_trade_ns = trade.exit_ns
        self.advantages = [*self.advantages, advantage][-REPORTED:]
        signal = ReinforcementSignal(
            trade.pnl, shaped, baseline, advantage, contributions, self.weights
        )
        self.signals[trade_id] = signal
        return signal

    def learn_label(self, label: ResolvedLabel) -> None:
        """Learn one label. Labels that end at the same bar belong together: ``learn_labels``."""
        self.learn_labels([label])

    def learn_labels(self, labels: Sequence[ResolvedLabel]) -> None:
        """Learn resolved labels, those of one time as one update of the pool, each id once.

        Raises:
            FixInput: Wrong votes or outcomes, or a time before the last one learned; then none of
                the labels is learned.
        """
        new: dict[tuple[str, int], ResolvedLabel] = {}
        for label in labels:
            if label.id not in self.labels:
                new.setdefault(label.id, label)
        last = self.labels.last_ns
        for label in new.values():
            check_label(label, last)
            last = label.resolved_ns
        for _, group in groupby(new.values(), key=lambda label: label.resolved_ns):
            self._learn_bar(list(group))

    def _learn_bar(self, labels: list[ResolvedLabel]) -> None:
        stated = np.array([[x.p_up for x in labels], [x.p_down for x in labels]], dtype=np.float64)
        outcomes = np.array([[x.y_long for x in labels], [x.y_short for x in labels]], np.float64)
        own = None if self.algorithm in AGGREGATING else self._own_losses(stated, outcomes)
        pooled = self.pool.learn_stated(stated, outcomes)
        above = np.array([own or pooled]).T - self.pool.losses
        self.gap += np.where(np.isnan(above), 0.0, above)
        for label in labels:
            self.labels.add(label.symbol, (label.bar_close_ns,), label.resolved_ns)
            sides = label.sides or sides_of(label.p_up.tolist(), label.p_down.tolist())
            for m, side in enumerate(sides):
                p = float(label.p_up[m] if side > 0 else label.p_down[m])
                if side != 0 and p == p:
                    self.calibration.learn(m, p, label.y_long if side > 0 else label.y_short)

    def _own_losses(self, stated: Float64Array, outcomes: Float64Array) -> tuple[float, float]:
        """Mean squared errors of the forecasts both games had before these labels."""
        total = [0.0, 0.0]
        n = outcomes.shape[1]
        for k in range(n):
            p, q = self._rule.predict(self, stated[0, k], stated[1, k])
            total[0] += (p - outcomes[0, k]) * (p - outcomes[0, k])
            total[1] += (q - outcomes[1, k]) * (q - outcomes[1, k])
        return float(total[0] / n), float(total[1] / n)

    def predict(
        self, p_up: Float64Array, p_down: Float64Array
    ) -> tuple[float, float, Float64Array]:
        """Pooled P(long net profitable), P(short ...), and the weights (4,) behind them."""
        weights = self.weights_of(np.isfinite(p_up) & np.isfinite(p_down))
        return *self._rule.predict(self, p_up, p_down), weights

    def raw_weights(self) -> Float64Array:
        """Weights (4,) with all models present; displayed ones for the aggregating family."""
        return self._rule.weights(self)

    def weights_of(self, valid: BoolArray) -> Float64Array:
        """Weights over the valid models, the absent ones' share redistributed in proportion."""
        raw = np.where(valid, self.raw_weights(), 0.0)
        total = float(raw.sum())
        return np.asarray(raw / total) if total > 0.0 else raw

    def vote_scalers(self) -> Float64Array:
        """Scalers (4,) as the vote uses them."""
        return self.calibration.scalers(self.settings.vote_kappa)

    def apply_reinforcement_to_signal(
        self,
        predictions: Mapping[str, HasValidity],
        use_exploration: bool,
        rng: np.random.Generator | None = None,
    ) -> tuple[Float64Array, bool, float]:
        """Weights (4,) for one set of votes, whether they were explored, and the propensity.

        With exploration the weights are uniform over the valid models with probability eps.
        ``rng`` takes the place of the manager's own generator for this draw.

        Raises:
            FixInput: An unknown model, or exploration without a generator.
        """
        unknown = sorted(set(predictions) - set(MODEL_NAMES))
        if unknown:
            raise FixInput(f"unknown models {', '.join(unknown)}: known are {MODEL_NAMES}")
        valid = np.array([name in predictions and predictions[name].valid for name in MODEL_NAMES])
        learned = self.weights_of(valid)
        if not use_exploration or not valid.any():
            return learned, False, 1.0
        source = rng or self.rng
        if source is None:
            raise FixInput("weight exploration needs a random generator: give one")
        eps = self.exploration_rate()
        if source.random() < eps:
            return valid / valid.sum(), True, eps
        return learned, False, 1.0 - eps

    def get_reinforcement_context(
        self, is_exploring: bool = False, propensity: float = 1.0
    ) -> WeightContext:
        """Return what the ensemble pools votes with, as copies."""
        weights = np.full(_N, 1.0 / _N) if is_exploring else self.raw_weights().copy()
        return WeightContext(
            self.algorithm, weights, self.vote_scalers(), is_exploring, propensity,
            self.pool.posterior.copy(), self.pool.platt.copy(), self.pool.eta,
        )  # fmt: skip

    def exploration_rate(self) -> float:
        """Probability of uniform weights after the trades so far."""
        return exploration_rate(self.trades, self.settings)

    def get_confidence_scaler(self, model: str) -> float:
        """Reported scaler of a model, in [0.5, 1.5].

        Raises:
            FixInput: An unknown model.
        """
        if model not in MODEL_NAMES:
            raise FixInput(f"unknown model {model!r}: known are {', '.join(MODEL_NAMES)}")
        return self.calibration.scaler(MODEL_NAMES.index(model), self.settings.kappa)

    def regret(self) -> Regret:
        """Cumulative Brier loss of the forecasts above the best expert of the pool."""
        rounds = int(self.pool.rounds.max())
        bound = bound_of(self.algorithm, self.horizon_bars, rounds, self.settings.share)
        return Regret(used(self.gap), bound)

    def get_diagnostics(self) -> dict[str, Any]:
        """What the manager knows of itself (spec 6.7), plain values."""
        return diagnostics.collect(self)

    def health(self) -> Health:
        """Score 0..100 with the issues found."""
        return diagnostics.judge(self)

    def reset_weights(self) -> None:
        """Back to the initial weights and a uniform posterior; regret starts anew."""
        self.weights = INITIAL_WEIGHTS
        self.pool.posterior[:] = 1.0 / N_EXPERTS
        self.pool.gap[:] = 0.0
        self.pool.rounds[:] = 0
        self.gap[:] = 0.0

    def reset_calibration(self) -> None:
        """Forget calibration statistics and online Platt parameters."""
        self.calibration = Calibration()
        self.pool.platt[:] = np.array([1.0, 0.0])
        self.pool.bars[:] = 0.0

    def copy(self) -> ReinforcementManager:
        """Independent copy; the generator is shared."""
        out = ReinforcementManager(self.settings, self.horizon_bars, self.rng)
        out.pool, out.calibration = self.pool.copy(), self.calibration.copy()
        out.labels, out.gap = self.labels.copy(), self.gap.copy()
        out.take_trades(self)
        return out

    def take_trades(self, other: ReinforcementManager) -> None:
        """Take over what another manager learned from trades."""
        self.weights, self.trades, self.raw_reward = other.weights, other.trades, other.raw_reward
        self.last_trade_ns, self.advantages = other.last_trade_ns, list(other.advantages)
        self.shaper, self.signals = other.shaper.copy(), dict(other.signals)

    def checkpoint(self, path: Path, **stamp: Any) -> None:
        """Write everything learned to ``path`` (JSON, arrays beside it); see ``save_artifact``."""
        save_manager(self, path, **stamp)

    def restore(self, path: Path) -> None:
        """Take over a checkpoint of the same algorithm, horizon and settings.

        In place of a damaged file the intact copy it replaced is taken, with a logged warning.

        Raises:
            RefusedArtifact: Damaged file without such a copy, or one of a manager set up otherwise.
        """
        restore_manager(self, path)

    @classmethod
    def load(cls, path: Path, *, feature_schema_hash: str | None = None) -> ReinforcementManager:
        """Build a manager from a checkpoint, with the settings it was saved with.

        In place of a damaged file the intact copy it replaced is taken, with a logged warning.

        Raises:
            RefusedArtifact: Damaged file without such a copy, or one made for other features.
        """
        return load_manager(cls, path, feature_schema_hash)
