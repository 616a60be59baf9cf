"""The weights environment: choose how much each model counts, bar by bar, without an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from envs.core.errors import FixInput, InvalidAction
from envs.core.market_data import MarketData
from envs.core.rules.simplex import project4
from envs.core.rules.state import N_REGIMES
from envs.core.rules.vote import VOTE_OK, hold_reason, model_side, shrunk_slope
from envs.core.tape import EvLine, VoteTable
from envs.core.trade import ResolvedLabel
from envs.core.types import MODEL_NAMES, Float64Array, Int64Array

_LOSS_DECAY = 0.9
REWARDS = ("brier", "log_growth")


@dataclass(frozen=True)
class ReferenceOutcomes:
    """What the reference action earns from every row, for the reward ``log_growth``.

    ``growth`` (T, S, 2) is its decision reward, long and short, NaN where it cannot be traded;
    ``end_row`` (T, S, 2) the row in whose bar it ends, -1 without one. ``line`` is the pool's EV
    line, which gives a weighted score its direction.
    """

    growth: Float64Array
    end_row: Int64Array
    line: EvLine


@dataclass(frozen=True)
class _Waiting:
    """A decision whose reward is still to come: paid at row ``end``."""

    end: int
    t: int
    s: int
    weights: Float64Array
    growth: float


class WeightsEnv(gym.Env[Any, Any]):
    """One step is one decision bar with quorum, symbols in name order.

    Action ``Box(-1, 1, (4,))``: mapped to [0, 1] by (a + 1)/2, then projected onto the weights'
    bounded simplex; a zero vector after mapping means uniform. Observation: calibrated votes
    (p_up, p_down of four models, .5 where one abstains), each model's decayed loss from labels
    already resolved, and the regime's one-hot.

    Reward ``brier``: minus the mean squared error of the weighted probability over the U and D
    games, paid when the label ends. Reward ``log_growth``: the decision reward of the reference
    action where the weighted vote has a direction, paid when that trade ends, else 0.

    ``info["resolved"]`` holds the labels that ended since the last decision, in order, also those
    of bars without a quorum: what a manager learns from before it decides.

    Args:
        quorum: votes a bar needs to be decided.
        lowest, highest: bounds of one model's weight.
        reference: outcomes behind ``log_growth``, see ``training.weights_view``.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own class attribute

    def __init__(
        self,
        market: MarketData | None = None,
        votes: VoteTable | None = None,
        quorum: int = 2,
        lowest: float = 0.05,
        highest: float = 0.50,
        episode_bars: int | None = None,
        random_start: bool = False,
        reward: str = "brier",
        reference: ReferenceOutcomes | None = None,
    ) -> None:
        if reward not in REWARDS:
            raise FixInput(f"reward {reward!r}: choose one of {', '.join(REWARDS)}")
        if reward == "log_growth" and reference is None:
            raise FixInput(
                "reward log_growth needs reference: outcomes of the reference action, as "
                "training.weights_view.reference_outcomes makes them"
            )
        if market is None or votes is None:
            from envs.defaults import default_environment_data

            market, _, votes = default_environment_data()
        if votes is None:
            raise FixInput("the weights environment needs a VoteTable")
        self.market, self.votes = market, votes
        self.bounds, self.quorum = (lowest, highest), quorum
        self._reference = reference if reward == "log_growth" else None
        self.episode_bars, self.random_start = episode_bars, random_start
        usable = (votes.valid.sum(axis=2) >= quorum) & (votes.label_end >= 0)
        self._rows, self._symbols = np.nonzero(usable & market.complete)
        if self._rows.size == 0:
            raise FixInput("no bar has a quorum of votes and a label: give a longer period")
        self._labels = _label_order(votes)
        n = len(MODEL_NAMES)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (n,), dtype=np.float32)
        self.observation_space = gym.spaces.Box(0.0, 1.0, (3 * n + N_REGIMES,), dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; ``options``: ``start`` (index of the first decision), ``length``."""
        super().reset(seed=seed)
        options = options or {}
        total = int(self._rows.size)
        length = int(options.get("length") or self.episode_bars or total)
        start = int(options.get("start", 0))
        if self.random_start and "start" not in options:
            start = int(self.np_random.integers(0, max(1, total - length)))
        if not 0 <= start < total or length < 1:
            raise FixInput(f"start {start} and length {length} leave the {total} decision bars")
        self._at, self._end = start, min(total, start + length)
        self._losses: Float64Array = np.full(len(MODEL_NAMES), 0.25)
        self._open: list[_Waiting] = []
        self._paying: list[_Waiting] = []
        first = int(self._rows[start])
        self._due = self._labels[self._labels[:, 1] >= first]
        self._known = 0
        return self._observation(), self._info(self._resolved(first))

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Weigh the models at the present bar and run on to the next decision."""
        weights = self.weights_of(action)
        if self._at < self._end:
            t, s = int(self._rows[self._at]), int(self._symbols[self._at])
            self._enter(t, s, weights)
            self._at += 1
        done = self._at >= self._end
        now = self.market.n_bars if done else int(self._rows[self._at])
        loss, growth = self._resolve(now), self._pay(now)
        reward = growth if self._reference is not None else -loss
        return self._observation(), reward, False, done, self._info(self._resolved(now))

    def weights_of(self, action: Any) -> Float64Array:
        """Weights (4,) an action means.

        Raises:
            InvalidAction: Wrong shape, not finite, or outside [-1, 1].
        """
        a = np.asarray(action, dtype=np.float64)
        if a.shape != (len(MODEL_NAMES),) or not np.all(np.isfinite(a)) or np.abs(a).max() > 1.0:
            raise InvalidAction(f"action must be {len(MODEL_NAMES)} numbers in [-1, 1]: {action!r}")
        raw = (a + 1.0) * 0.5
        if raw.max() <= 0.0:
            raw = np.ones_like(raw)
        raw = np.maximum(raw, 1e-9)
        return np.asarray(project4(raw[0], raw[1], raw[2], raw[3], *self.bounds))

    def side_of(self, t: int, s: int, weights: Float64Array) -> int:
        """Direction of a weighted vote: 1, -1, or 0 for HOLD.

        Raises:
            FixInput: The environment has no pool line.
        """
        if self._reference is None:
            raise FixInput("a direction needs the pool's line: give reference and log_growth")
        votes, line = self.votes, self._reference.line
        ok = votes.valid[t, s]
        score = _weighted(weights, votes.p_up[t, s] - votes.p_down[t, s], ok) - line.s_mean
        pooled = model_side(shrunk_slope(line.b, line.se) * score)
        sides = [x for x, valid in zip(votes.sides_at(t, s), ok, strict=True) if valid]
        reason = hold_reason(
            len(sides), self.quorum, pooled, sides.count(pooled), sides.count(-pooled)
        )
        return pooled if reason == VOTE_OK else 0

    def _enter(self, t: int, s: int, weights: Float64Array) -> None:
        """Note a decision; what it earns is known later."""
        self._open.append(_Waiting(int(self.votes.label_end[t, s]), t, s, weights, 0.0))
        if self._reference is None:
            return
        side = self.side_of(t, s, weights)
        if side != 0:
            k = (1 - side) // 2
            growth = float(self._reference.growth[t, s, k])
            if growth == growth:
                end = int(self._reference.end_row[t, s, k])
                self._paying.append(_Waiting(end, t, s, weights, growth))

    def _pay(self, now: int) -> float:
        """Decision rewards of the reference trades that ended at or before row ``now``."""
        paid = sum(x.growth for x in self._paying if x.end <= now)
        self._paying = [x for x in self._paying if x.end > now]
        return float(paid)

    def _resolve(self, now: int) -> float:
        """Loss of every label that ended at or before row ``now``; the models' losses follow."""
        lost, still = 0.0, []
        for x in self._open:
            if x.end > now:
                still.append(x)
                continue
            votes, t, s = self.votes, x.t, x.s
            ok = votes.valid[t, s]
            up, down = votes.p_up[t, s], votes.p_down[t, s]
            y_up, y_down = votes.y_long[t, s], votes.y_short[t, s]
            miss_up = _weighted(x.weights, up, ok) - y_up
            miss_down = _weighted(x.weights, down, ok) - y_down
            lost += float(0.5 * (miss_up * miss_up + miss_down * miss_down))
            up, down = np.nan_to_num(up), np.nan_to_num(down)
            own = 0.5 * ((up - y_up) ** 2 + (down - y_down) ** 2)
            self._losses = np.where(
                ok, _LOSS_DECAY * self._losses + (1.0 - _LOSS_DECAY) * own, self._losses
            )
        self._open = still
        return lost

    def _resolved(self, now: int) -> tuple[ResolvedLabel, ...]:
        """Labels that ended since the last call and at or before row ``now``."""
        stop = int(np.searchsorted(self._due[:, 0], now, side="right"))
        found = self._due[self._known : stop]
        self._known = max(self._known, stop)
        return tuple(self._label(end, t, s) for end, t, s in found.tolist())

    def _label(self, end: int, t: int, s: int) -> ResolvedLabel:
        votes, close_ns = self.votes, self.market.close_ns
        return ResolvedLabel(
            self.market.symbols[s],
            int(close_ns[t]),
            int(close_ns[end]),
            votes.p_up[t, s],
            votes.p_down[t, s],
            int(votes.y_long[t, s]),
            int(votes.y_short[t, s]),
            votes.sides_at(t, s),
        )

    def _observation(self) -> Any:
        n = len(MODEL_NAMES)
        out = np.zeros(3 * n + N_REGIMES)
        out[2 * n : 3 * n] = self._losses
        if self._at < self._end:
            t, s = int(self._rows[self._at]), int(self._symbols[self._at])
            out[:n] = np.nan_to_num(self.votes.p_up[t, s], nan=0.5)
            out[n : 2 * n] = np.nan_to_num(self.votes.p_down[t, s], nan=0.5)
            out[3 * n + max(0, int(self.market.sizing_regime[t, s]))] = 1.0
        return np.clip(out, 0.0, 1.0).astype(np.float32)

    def _info(self, resolved: tuple[ResolvedLabel, ...]) -> dict[str, Any]:
        if self._at >= self._end:
            return {"symbol": "", "time_ns": 0, "resolved": resolved}
        t, s = int(self._rows[self._at]), int(self._symbols[self._at])
        time_ns = int(self.market.close_ns[t])
        return {"symbol": self.market.symbols[s], "time_ns": time_ns, "resolved": resolved}


def _weighted(weights: Float64Array, p: Float64Array, ok: Any) -> float:
    """Weighted mean over the valid models."""
    w = np.where(ok, weights, 0.0)
    return float(w @ np.where(ok, p, 0.0) / w.sum())


def _label_order(votes: VoteTable) -> Int64Array:
    """End, row and symbol (K, 3) of every known label with a vote, in the order they end."""
    known = (votes.label_end >= 0) & votes.valid.any(axis=2)
    known &= np.isfinite(votes.y_long) & np.isfinite(votes.y_short)
    rows, symbols = np.nonzero(known)
    ends = votes.label_end[rows, symbols]
    order = np.lexsort((symbols, rows, ends))
    return np.stack([ends, rows, symbols], axis=1)[order].astype(np.int64)
