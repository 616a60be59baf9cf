"""The weights environment: choose how much each model counts, bar by bar, without an account."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from envs.core.errors import FixInput, InvalidAction
from envs.core.market_data import MarketData
from envs.core.rules.simplex import project4
from envs.core.rules.state import N_REGIMES
from envs.core.tape import VoteTable
from envs.core.types import MODEL_NAMES, Float64Array

_LOSS_DECAY = 0.9


class WeightsEnv(gym.Env[Any, Any]):
    """One step is one decision bar with quorum, symbols in name order.

    Action ``Box(-1, 1, (4,))``: mapped to [0, 1] by (a + 1)/2, then projected onto the weights'
    bounded simplex; a zero vector after mapping means uniform. Observation: calibrated votes
    (p_up, p_down of four models, .5 where one abstains), each model's decayed loss from labels
    already resolved, and the regime's one-hot. Reward: minus the mean squared error of the
    weighted probability over the U and D games, paid when the label ends.
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
    ) -> None:
        if market is None or votes is None:
            from envs.defaults import default_environment_data

            market, _, votes = default_environment_data()
        if votes is None:
            raise FixInput("the weights environment needs a VoteTable")
        self.market, self.votes = market, votes
        self.bounds = (lowest, highest)
        self.episode_bars, self.random_start = episode_bars, random_start
        usable = (votes.valid.sum(axis=2) >= quorum) & (votes.label_end >= 0)
        self._rows, self._symbols = np.nonzero(usable & market.complete)
        if self._rows.size == 0:
            raise FixInput("no bar has a quorum of votes and a label: give a longer period")
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
        self._open: list[tuple[int, int, int, Float64Array]] = []
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Weigh the models at the present bar and run on to the next decision."""
        weights = self.weights_of(action)
        if self._at < self._end:
            t, s = int(self._rows[self._at]), int(self._symbols[self._at])
            self._open.append((int(self.votes.label_end[t, s]), t, s, weights))
            self._at += 1
        done = self._at >= self._end
        now = self.market.n_bars if done else int(self._rows[self._at])
        reward = self._resolve(now)
        return self._observation(), reward, False, done, self._info()

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

    def _resolve(self, now: int) -> float:
        """Pay and learn every label that ended at or before row ``now``."""
        paid, still = 0.0, []
        for end, t, s, weights in self._open:
            if end > now:
                still.append((end, t, s, weights))
                continue
            votes = self.votes
            ok = votes.valid[t, s]
            w = np.where(ok, weights, 0.0)
            w = w / w.sum()
            up, down = np.nan_to_num(votes.p_up[t, s]), np.nan_to_num(votes.p_down[t, s])
            y_up, y_down = votes.y_long[t, s], votes.y_short[t, s]
            loss = 0.5 * ((w @ up - y_up) ** 2 + (w @ down - y_down) ** 2)
            paid -= float(loss)
            own = 0.5 * ((up - y_up) ** 2 + (down - y_down) ** 2)
            self._losses = np.where(
                ok, _LOSS_DECAY * self._losses + (1.0 - _LOSS_DECAY) * own, self._losses
            )
        self._open = still
        return paid

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

    def _info(self) -> dict[str, Any]:
        if self._at >= self._end:
            return {"symbol": "", "time_ns": 0}
        t, s = int(self._rows[self._at]), int(self._symbols[self._at])
        return {"symbol": self.market.symbols[s], "time_ns": int(self.market.close_ns[t])}
