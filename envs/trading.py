"""The Gymnasium environment: one step is one decision on one candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from envs.core.actions import ActionPreset, preset
from envs.core.decide import Desk, decide
from envs.core.errors import FixInput, InvalidAction
from envs.core.hooks import HookChain
from envs.core.market_data import MarketData
from envs.core.rules.reward import step_reward
from envs.core.series import MarketSeries, prepare
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape, VoteTable
from envs.core.trade import (
    Alternatives,
    ClosedTrade,
    ResolvedDecision,
    SizingChoice,
    SizingContext,
    Skipped,
    no_propensities,
)
from envs.core.view import DecisionView
from envs.core.world import Resolved, World
from envs.kernel.counterfactual import Counterfactual, compiled_ladder
from envs.observe import BOUND, observation_size, observe
from envs.period import Episodes, first_candidate

CandidateMode = Literal["signals", "all"]


@dataclass(frozen=True)
class _Fixed:
    """A brain that answers with the environment's action."""

    index: int

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Return the chosen index with all propensity on it."""
        return SizingChoice(self.index, no_propensities(context.mask.shape[0], self.index))


class TradingEnv(gym.Env[Any, Any]):
    """Perpetual futures under the rules of ``envs.core``; several symbols share one account.

    Action ``MultiDiscrete([3, A])``: 0 none, 1 long, 2 short, and an index into the preset without
    skip. A masked action opens nothing and is reported in ``info["reason"]``. The observation is
    described in ``envs.observe``. Reward: change of log equity between decisions; an episode's sum
    is ln(final / initial).

    Args:
        market, tape, votes: the market and its signals; all three default to the seeded synthetic
            market. ``tape`` must be out of sample or planted.
        preset_name: ``classic``, ``overview`` or ``full``.
        settings: core settings.
        candidates: ``"signals"``: the executable candidates of the tape; ``"all"``: every closed
            bar of every flat symbol.
        episode_bars: length of an episode; None runs the whole period.
        random_start: draw the first bar uniformly at each reset.
        chain: advisers of the hook chain.

    ``reset(options=...)`` knows ``start`` (row or int nanoseconds), ``length`` (bars) and
    ``symbols``. ``info`` holds ``state_index``, ``action_mask``, ``symbol``, ``time_ns``,
    ``equity``, and ``resolved``: the ``ResolvedDecision`` of every decision whose outcome became
    known during the step.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own class attribute

    def __init__(
        self,
        market: MarketData | None = None,
        tape: SignalTape | None = None,
        votes: VoteTable | None = None,
        preset_name: str = "full",
        settings: CoreSettings | None = None,
        candidates: CandidateMode = "all",
        episode_bars: int | None = None,
        random_start: bool = False,
        chain: HookChain | None = None,
        prepared: MarketSeries | None = None,
    ) -> None:
        if market is None or tape is None:
            from envs.defaults import default_environment_data

            market, tape, votes = default_environment_data()
        if candidates not in ("signals", "all"):
            raise FixInput(f"candidates must be 'signals' or 'all', got {candidates!r}")
        self.settings = settings or CoreSettings()
        self.market, self.tape, self.votes = market, tape, votes
        self.preset: ActionPreset = preset(preset_name)
        self.trading_actions = [i for i, a in enumerate(self.preset.actions) if a.size > 0.0]
        self.candidates: CandidateMode = candidates
        self.chain = chain or HookChain()
        self.data = prepared or prepare(market, self.settings)
        self.action_space: Any = gym.spaces.MultiDiscrete([3, len(self.trading_actions)])
        size = observation_size(len(market.feature_names))
        self.observation_space = gym.spaces.Box(-BOUND, BOUND, (size,), dtype=np.float32)
        wanted = tape.candidate if candidates == "signals" else market.complete
        self._episodes = Episodes(market, first_candidate(wanted), episode_bars, random_start)
        self._seed, self._episode = -1, 0
        self._allowed: tuple[int, ...] = ()
        self.view: DecisionView | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; ``seed`` and ``options`` determine it fully."""
        super().reset(seed=seed)
        if seed is not None:
            self._seed, self._episode = seed, 0
        elif self._seed < 0:
            self._seed = int(self.np_random.integers(2**31))
        start, last = self._episodes.period(options or {}, self._seed, self._episode)
        self._allowed = self._episodes.symbols(options or {})
        self._episode += 1
        self.world = World(self.data, self.settings, start, last, keep_ledger=False)
        self.desk = Desk(
            self.world, self.tape, self.preset, self.settings, self.votes, compiled_ladder()
        )
        self._queue: list[int] = self._present()
        self._resolved: list[Resolved] = []
        self._ended = False
        self._seek()
        self._equity = self.world.account.equity_quote()
        return self._observation(), self._info("")

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Decide the present candidate and run the bars on to the next one."""
        direction, index = self._parse(action)
        self._resolved = []
        reason = ""
        if self.view is not None:
            reason = self._take(self.view, direction, index)
            self._seek()
        equity = self.world.account.equity_quote()
        reward = step_reward(self._equity, equity)
        self._equity = max(equity, 1e-6 * self._equity)
        terminated = self.world.ruined
        truncated = self._ended and not terminated
        return self._observation(), reward, terminated, truncated, self._info(reason)

    def counterfactuals(self) -> Alternatives:
        """Outcome of every action of the present decision, each simulated alone from the same bars.

        Raises:
            FixInput: The episode is over.
        """
        if self.view is None:
            raise FixInput("counterfactuals() needs a present decision: call reset() first")
        reward, net, end = Counterfactual(self.desk, 0).outcomes(self.view)
        return Alternatives(reward, net, end, np.zeros(3, dtype=np.int64))

    def action_masks(self) -> Any:
        """Mask (A,) of the present decision over the whole preset, True = allowed."""
        if self.view is None:
            return np.ones(self.preset.n, dtype=np.bool_)
        return self.view.context.mask

    def _parse(self, action: Any) -> tuple[int, int]:
        values = np.asarray(action)
        if values.shape != (2,) or not self.action_space.contains(values.astype(np.int64)):
            raise InvalidAction(
                f"action must be two integers below [3, {len(self.trading_actions)}]: {action!r}"
            )
        return int(values[0]), int(values[1])

    def _take(self, view: DecisionView, direction: int, index: int) -> str:
        """Turn the action into a decision on the view and send it; return why nothing was sent."""
        side = 0 if direction == 0 else (1 if direction == 1 else -1)
        if side != 0 and side != view.side:
            view = self.desk.view(view.symbol_index, side)
        chosen = self.trading_actions[index] if side != 0 else self.preset.skip_index
        if chosen is None:
            return self._skip(view, "SKIP")
        if not view.context.mask[chosen]:
            return self._skip(view, "MASKED")
        decision = decide(view, _Fixed(chosen), self.chain)
        if self.desk.commit(view, decision):
            return ""
        reason = decision.reason or "SKIP"
        self._resolved.append(Resolved(decision, Skipped(reason), view.row))
        return reason

    def _skip(self, view: DecisionView, reason: str) -> str:
        skip = self.preset.skip_index
        decision = decide(view, _Fixed(0 if skip is None else skip), self.chain)
        frozen = {**decision.__dict__, "chosen": skip, "qty_steps": 0, "reason": reason}
        self._resolved.append(Resolved(type(decision)(**frozen), Skipped(reason), view.row))
        return reason

    def _present(self) -> list[int]:
        """Symbols to decide at the present row, in order."""
        if self.candidates == "signals":
            found = self.desk.candidates()
        else:
            found = np.flatnonzero(self.market.complete[self.world.row]).tolist()
        return [s for s in found if s in self._allowed]

    def _seek(self) -> None:
        """Run on to the next executable candidate, or to the end of the episode."""
        while True:
            while self._queue:
                s = self._queue.pop(0)
                if not self.desk.block_reason(s):
                    side = None if self.candidates == "signals" else (self._tape_side(s) or 1)
                    self.view = self.desk.view(s, side)
                    return
            if self.world.done:
                self.view = None
                self._ended = True
                self._resolved += self.world.finish()
                return
            self._resolved += self.world.advance()
            self._queue = self._present()

    def _tape_side(self, s: int) -> int:
        return int(self.tape.side[self.world.row, s])

    def _observation(self) -> Any:
        return observe(self.world, self.view)

    def _info(self, reason: str) -> dict[str, Any]:
        view = self.view
        return {
            "state_index": -1 if view is None else view.context.state,
            "action_mask": np.array(self.action_masks()),
            "symbol": "" if view is None else view.symbol,
            "side": 0 if view is None else view.side,
            "time_ns": self.world.now_ns,
            "equity": self.world.account.equity_quote(),
            "reason": reason,
            "resolved": tuple(_resolved(r) for r in self._resolved),
        }


def _resolved(r: Resolved) -> ResolvedDecision:
    reward = r.outcome.log_growth if isinstance(r.outcome, ClosedTrade) else 0.0
    return ResolvedDecision(r.decision, r.outcome, reward)
