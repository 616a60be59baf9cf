"""From one bar's model votes to one action: a shell over the core's vote and pool rules."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensemble.batch import ModelAnswer, ask_all
from ensemble.fitted import Fitted
from ensemble.protocol import Dataset, Forecaster, ModelVote
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.rules import pool, vote
from envs.core.rules.blend import blend
from envs.core.rules.costs import round_trip_frac
from envs.core.series import slippage_column
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine
from envs.core.types import FLAT, LONG, MODEL_NAMES, Consensus, EntryStyle, VoteReason
from envs.core.weight_context import WeightContext

NETWORKS = ("nhits", "patchtst")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BarFeatures:
    """The bar to vote on: row ``row`` of ``data``, whose earlier rows are the models' windows.

    ``EnsembleManager.bars_needed`` bars suffice (``ensemble.window.last_bars`` cuts them).
    """

    data: Dataset
    row: int


@dataclass(frozen=True)
class PooledVote:
    """What the vote came to; ``action`` is +1, -1 or 0, ``ev`` the long side's (fraction)."""

    action: int
    confidence: float
    reason: VoteReason
    meta: dict[str, Any]


class EnsembleManager:
    """The four models of a bundle, asked one bar at a time (spec 5.2).

    Args:
        pool_line: the pool's EV line; without one every EV is 0 and the action HOLD.
        budget_s: seconds a network may take for one vote; beyond it abstains with ``LATE``.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        fitted: Fitted,
        pool_line: EvLine | None,
        settings: CoreSettings,
        budget_s: float = 0.25,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.fitted, self.pool_line, self.settings = fitted, pool_line, settings
        self.budget_s, self._clock = budget_s, clock

    @property
    def bars_needed(self) -> int:
        """Bars up to and including the one to vote on that the models read."""
        return max((model.length for model in self.fitted.models.values()), default=1)

    def predict_with_rl(
        self, symbol: str, features: BarFeatures, rl_context: WeightContext
    ) -> tuple[int, float, dict[str, Any]]:
        """Action (+1, -1, 0), edge confidence in [0, 1] and the meta of spec 5.2.

        Raises:
            FixInput: Unknown symbol or row; a model's own failure only makes it abstain.
        """
        out = self.predict(symbol, features, rl_context)
        return out.action, out.confidence, out.meta

    def predict(self, symbol: str, features: BarFeatures, rl_context: WeightContext) -> PooledVote:
        """Like ``predict_with_rl``, with the reason of a HOLD."""
        market = features.data.market
        if symbol not in market.symbols:
            raise FixInput(f"symbol {symbol!r} is not in the market: {', '.join(market.symbols)}")
        if not 0 <= features.row < market.n_bars:
            raise FixInput(f"row {features.row}: the market has rows 0 to {market.n_bars - 1}")
        s = market.symbols.index(symbol)
        votes = {name: self._ask(m, features, s) for m, name in enumerate(MODEL_NAMES)}
        return self.combine(votes, rl_context, float(market.atr_frac[features.row, s]))

    def predict_all(self, features: BarFeatures) -> Iterator[ModelAnswer]:
        """Votes of each model on all symbols of the bar in one batch, model by model.

        The caller keeps the time: answers it has no time to wait for abstain with ``LATE``.

        Raises:
            FixInput: Unknown row.
        """
        return ask_all(self.fitted, features.data, features.row)

    def combine(
        self, votes: Mapping[str, ModelVote], context: WeightContext, atr_frac: float
    ) -> PooledVote:
        """Pool the votes of one bar; malformed votes abstain."""
        votes = {n: checked(votes[n]) if n in votes else abstain("MISSING") for n in MODEL_NAMES}
        valid = [votes[n] for n in MODEL_NAMES if votes[n].valid]
        score = _pooled_score(votes, context)
        line, ev = self.pool_line, 0.0
        if line is not None:
            ev = vote.ev_long(line.b, line.se, line.s_mean, score, atr_frac)
        known = math.isfinite(ev)
        side = vote.model_side(ev) if known else FLAT
        support = sum(v.action == side for v in valid) if side else 0
        against = sum(v.action not in (side, FLAT) for v in valid)
        quorum = self.settings.signal.quorum
        reason = VoteReason(vote.hold_reason(len(valid), quorum, side, support, against))
        trip = self._round_trip(atr_frac)
        action, confidence = FLAT, 0.0
        if reason is VoteReason.OK:
            action, confidence = side, vote.edge_confidence(side * ev, trip)
        weights = _redistributed(votes, context)
        scaled, shown = {}, {1: 0.0, -1: 0.0, 0: 0.0}
        for m, name in enumerate(MODEL_NAMES):
            v, scaler = votes[name], float(context.scalers[m])
            if v.valid:
                c = min(1.0, max(0.0, v.confidence * scaler))
                shown[v.action] += weights[name] * c
                scaled[name] = {
                    "original_confidence": v.confidence, "scaler": scaler, "confidence": c
                }  # fmt: skip
        level = Consensus(vote.consensus(support, against, len(valid)))
        meta = {
            "model_votes": votes, "scaled_predictions": scaled, "rl_weights": weights,
            "is_exploring": context.is_exploring, "propensity": context.propensity,
            "long_score": shown[1], "short_score": shown[-1], "hold_score": shown[0],
            "score": score, "ev": ev if known else 0.0, "round_trip": trip,
            "confidence": confidence, "consensus": level.name.lower(), "supporters": support,
            "algorithm": context.algorithm,
        }  # fmt: skip
        return PooledVote(action, confidence, reason, meta)

    def may_enter(self, pooled: PooledVote) -> bool:
        """Whether the action has the consensus that entries need (spec 5.2 step 5)."""
        wanted = Consensus[self.settings.signal.min_consensus.upper()]
        got = Consensus[str(pooled.meta["consensus"]).upper()]
        return pooled.action != FLAT and got >= wanted

    def _round_trip(self, atr_frac: float) -> float:
        costs = self.settings.costs
        atr = np.array([atr_frac])
        slip = float(slippage_column(atr, costs.slippage_min_bps, costs.slippage_max_bps)[0])
        post_only = self.settings.entry.style is EntryStyle.POST_ONLY
        return round_trip_frac(post_only, costs.maker_fee, costs.taker_fee, slip)

    def _ask(self, m: int, at: BarFeatures, s: int) -> ModelVote:
        name, market = MODEL_NAMES[m], at.data.market
        ts, schema = int(market.close_ns[at.row]), market.feature_hash
        model = self.fitted.models.get(name)
        if model is None:
            return abstain("NOT_INSTALLED", ts, schema)
        if not market.complete[at.row, s]:
            return abstain("NAN", ts, schema)
        begun = self._clock()
        try:
            p_up, p_down = self._probabilities(name, model, at, s)
        except RefusedArtifact as error:
            _log.warning("%s abstains on %s: %s", name, market.symbols[s], error)
            return abstain("SCHEMA", ts, schema)
        except ImportError as error:
            _log.warning("%s abstains on %s: %s", name, market.symbols[s], error)
            return abstain("NOT_INSTALLED", ts, schema)
        except Exception:  # a model's failure must not stop the others
            _log.warning("%s abstains on %s", name, market.symbols[s], exc_info=True)
            return abstain("ERROR", ts, schema)
        if name in NETWORKS and self._clock() - begun > self.budget_s:
            return abstain("LATE", ts, schema)
        if not (math.isfinite(p_up) and math.isfinite(p_down)):
            return abstain("NAN", ts, schema)
        line, ev = self.fitted.lines[m], 0.0
        if line is not None:
            atr = float(market.atr_frac[at.row, s])
            ev = vote.ev_long(line.b, line.se, line.s_mean, p_up - p_down, atr)
        action = vote.model_side(ev)
        hold = max(0.0, 1.0 - p_up - p_down)
        confidence = hold if action == FLAT else p_up if action == LONG else p_down
        version = model.version
        return ModelVote(action, p_up, p_down, hold, confidence, True, "OK", version, schema, ts)

    def _probabilities(
        self, name: str, model: Forecaster, at: BarFeatures, s: int
    ) -> tuple[float, float]:
        """Calibrated P(up), P(down), NaN for an abstention."""
        raw = model.predict(at.data, np.array([at.row]), np.array([s]))
        up, down = self.fitted.calibrators[name]
        p, q = up.apply(raw.up), down.apply(raw.down)
        # the same operations on arrays as the table of votes, so that both round alike
        scale = np.where(p + q > 1.0, p + q, 1.0)
        return float(np.round(p / scale, 6)[0]), float(np.round(q / scale, 6)[0])


def abstain(reason: str, ts: int = 0, schema_hash: str = "") -> ModelVote:
    """Return the vote of a model that has nothing to say, and why."""
    nan = math.nan
    return ModelVote(FLAT, nan, nan, nan, nan, False, reason, "", schema_hash, ts)


def checked(v: ModelVote) -> ModelVote:
    """Return the vote, or an abstention where a number is NaN, -0.0 or outside [0, 1]."""
    numbers = (v.confidence, v.p_up, v.p_down)
    if not v.valid or all(0.0 <= x <= 1.0 and math.copysign(1.0, x) > 0.0 for x in numbers):
        return v
    return abstain("NAN", v.ts, v.schema_hash)


def _redistributed(votes: Mapping[str, ModelVote], context: WeightContext) -> dict[str, float]:
    raw = {n: float(context.weights[m]) * votes[n].valid for m, n in enumerate(MODEL_NAMES)}
    total = sum(raw.values())
    return {n: w / total for n, w in raw.items()} if total > 0.0 else raw


def _pooled_score(votes: Mapping[str, ModelVote], context: WeightContext) -> float:
    if not any(v.valid for v in votes.values()):
        return math.nan
    up, down = (
        _pooled([getattr(votes[n], side) for n in MODEL_NAMES], context, game)
        for game, side in enumerate(("p_up", "p_down"))
    )
    return up - down


def _pooled(p: list[float], context: WeightContext, game: int) -> float:
    """Pooled probability of one game; exploring, the pool families give their uniform mean."""
    platt = context.platt[game]
    if context.algorithm in ("aa", "fixed_share"):
        experts = np.zeros(pool.N_EXPERTS)
        pool.fill_experts(p, platt, experts)
        if context.is_exploring:
            return float(experts[pool.MEAN])
        return pool.aggregate(experts, context.posteriors[game], context.eta)
    calibrated = context.algorithm == "platt_exponential"
    return float(blend(p, platt, calibrated, context.weights, context.scalers))
