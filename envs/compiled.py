"""One environment on the compiled kernel, equal to ``TradingEnv``; ``gymnasium.make`` gives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from envs.core.actions import preset
from envs.core.errors import FixInput, InvalidAction
from envs.core.market_data import MarketData
from envs.core.rules.state import N_STATES
from envs.core.series import MarketSeries, prepare
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape, VoteTable
from envs.core.trade import Alternatives
from envs.kernel.batch import Batch, raise_overflow
from envs.kernel.layout import lay_out
from envs.kernel.pointer import address_of
from envs.kernel.state import REASONS, RUNNING, TERMINATED, TRUNCATED
from envs.kernel.step import FROM_SIGNAL, OVERFLOW, PHASE, STATE
from envs.observe import BOUND, observation_size
from envs.period import Episodes, first_candidate
from envs.step_info import LATER, StepInfo
from envs.trading import TradingEnv
from envs.views import SizingView

View = Literal["sizing", "tabular", "trading"]
_SIDES = (0, 1, -1)


@dataclass
class _Episode:
    """An episode's period and actions: enough to live it again on the plain core."""

    env: CompiledEnv
    options: dict[str, Any]
    actions: list[Any] = field(default_factory=list)
    plain: Any = None
    at: int = 0
    info: dict[str, Any] = field(default_factory=dict)

    def lived(self, step: int) -> Any:
        """A plain environment that stands after ``step`` actions."""
        if self.plain is None or self.at > step:
            self.plain, self.at = self.env.plain(), 0
            self.info = self.plain.reset(seed=0, options=self.options)[1]
        while self.at < step:
            self.info = self.plain.step(self.actions[self.at])[4]
            self.at += 1
        return self.plain

    def entry(self, step: int, name: str) -> Any:
        """An entry of ``info`` as it was after ``step`` actions."""
        if name == "action_mask" and self.is_present(step):
            return self.env.action_masks()
        self.lived(step)
        return self.info[name]

    def is_present(self, step: int) -> bool:
        """Whether the compiled environment still stands there."""
        return step == len(self.actions) and self.env.episode is self


class CompiledEnv(gym.Env[Any, Any]):
    """One account on the compiled kernel; observations, rewards and infos of ``TradingEnv``.

    Two entries of ``info``, ``action_mask`` and ``resolved``, are computed when they are first
    asked for: the mask by the kernel while it belongs to the present decision, else both by living
    the episode's actions again on the plain core. ``action_masks()`` is the quick way to a mask.

    Args:
        view: ``sizing`` (Discrete actions, vector observation), ``tabular`` (the same with
            Discrete(300) states), ``trading`` (MultiDiscrete([3, A]), every closed bar).
        market, tape, votes, preset_name, settings, episode_bars, random_start, prepared: as in
            ``TradingEnv``.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own class attribute

    def __init__(
        self,
        view: View = "sizing",
        market: MarketData | None = None,
        tape: SignalTape | None = None,
        votes: VoteTable | None = None,
        preset_name: str = "full",
        settings: CoreSettings | None = None,
        episode_bars: int | None = None,
        random_start: bool = False,
        prepared: MarketSeries | None = None,
    ) -> None:
        if market is None or tape is None:
            from envs.defaults import default_environment_data

            market, tape, votes = default_environment_data()
        self.view_name: View = view
        self.settings = settings or CoreSettings()
        self.market, self.tape, self.votes = market, tape, votes
        self.preset = preset(preset_name)
        self.data = prepared or prepare(market, self.settings)
        wanted = market.complete if view == "trading" else tape.candidate
        self._episodes = Episodes(market, first_candidate(wanted), episode_bars, random_start)
        memory = lay_out(
            self.data, tape, votes, self.settings, self.preset, wanted,
            by_confidence=view != "trading",
        )  # fmt: skip
        self._trading = [i for i, a in enumerate(self.preset.actions) if a.size > 0.0]
        size = observation_size(len(market.feature_names))
        self.observation_space: Any = gym.spaces.Box(-BOUND, BOUND, (size,), dtype=np.float32)
        if view == "tabular":
            self.observation_space = gym.spaces.Discrete(N_STATES)
        self.action_space: Any = gym.spaces.Discrete(self.preset.n)
        if view == "trading":
            self.action_space = gym.spaces.MultiDiscrete([3, len(self._trading)])
        self.batch = Batch(memory, 1, size, self.settings.ess.max_stops_15m, summary=True)
        self._call = address_of(self.batch.call)
        # Memory views are read and written several times as fast as arrays, number by number.
        batch: Any = self.batch
        self._numbers, self._codes = memoryview(batch.numbers[0]), memoryview(batch.codes[0])
        self._action, self._side = memoryview(batch.actions), memoryview(batch.sides)
        self._seen = self.batch.observations[0, 0]
        self._seed, self._number = -1, 0
        self.episode: _Episode | None = None

    def plain(self) -> Any:
        """The same environment on the plain core."""
        every = self.view_name == "trading"
        env = TradingEnv(
            self.market, self.tape, self.votes, self.preset.name, self.settings,
            "all" if every else "signals", self._episodes.episode_bars,
            self._episodes.random_start, prepared=self.data,
        )  # fmt: skip
        return env if every else SizingView(env)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; ``seed`` and ``options`` determine it fully."""
        super().reset(seed=seed)
        given = options or {}
        if seed is not None:
            self._seed, self._number = seed, 0
        elif self._seed < 0:
            self._seed = int(self.np_random.integers(2**31))
        first, last = self._episodes.period(given, self._seed, self._number)
        symbols = self._episodes.symbols(given)
        self._number += 1
        batch = self.batch
        batch.first[0], batch.last[0] = first, last
        batch.allowed[0] = sum(1 << s for s in symbols)
        batch.accounts["phase"] = TRUNCATED
        names = [self.market.symbols[s] for s in symbols]
        self.episode = _Episode(self, {"start": first, "length": last - first, "symbols": names})
        batch.kernel(self._call, batch.accounts)
        return self._observation(), self._info(self.episode)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Decide the present candidate and run the bars on to the next one.

        Raises:
            InvalidAction: An action outside the space; nothing is stepped then.
            FixInput: ``reset`` was never called.
        """
        episode, codes = self.episode, self._codes
        if episode is None:
            raise FixInput("step() needs a running episode: call reset() first")
        action = self._take(action)
        episode.actions.append(action)
        reward = 0.0
        if codes[PHASE] == RUNNING:
            self.batch.kernel(self._call, self.batch.accounts)
            if codes[OVERFLOW]:
                raise_overflow([0])
            reward = self._numbers[0]
        phase = codes[PHASE]
        return (
            self._observation(), reward, phase == TERMINATED, phase == TRUNCATED,
            self._info(episode),
        )  # fmt: skip

    def action_masks(self) -> Any:
        """Mask (A,) of the present decision over the whole preset, True = allowed."""
        return self.batch.masks()[0]

    def counterfactuals(self) -> Alternatives:
        """Outcome of every action of the present decision, each simulated alone from the same bars.

        Raises:
            FixInput: The episode is over.
        """
        if self.episode is None:
            raise FixInput("counterfactuals() needs a present decision: call reset() first")
        alternatives: Alternatives = self.episode.lived(len(self.episode.actions)).counterfactuals()
        return alternatives

    def _take(self, action: Any) -> Any:
        """Check an action and hand it to the kernel."""
        if self.view_name == "trading":
            values = np.asarray(action)
            if values.shape != (2,) or not self.action_space.contains(values.astype(np.int64)):
                raise InvalidAction(
                    f"action must be two integers below [3, {len(self._trading)}]: {action!r}"
                )
            self._side[0] = _SIDES[int(values[0])]
            self._action[0] = self._trading[int(values[1])]
            return values
        if type(action) is not int:
            value = np.asarray(action)
            if value.shape != () or value.dtype.kind not in "iu":
                raise InvalidAction(f"action must be one integer below {self.preset.n}: {action!r}")
            action = int(value)
        if not 0 <= action < self.preset.n:
            raise InvalidAction(f"action must be one integer below {self.preset.n}: {action!r}")
        self._side[0] = FROM_SIGNAL
        self._action[0] = action
        return action

    def _observation(self) -> Any:
        if self.view_name == "tabular":
            return np.int64(max(self._codes[STATE], 0))
        return self._seen.copy()

    def _info(self, episode: _Episode) -> dict[str, Any]:
        _, state, symbol, side, reason, time_ns, _ = self._codes.tolist()
        info = StepInfo(
            state_index=state,
            action_mask=LATER,
            symbol=self.market.symbols[symbol] if symbol >= 0 else "",
            side=side,
            time_ns=time_ns,
            equity=self._numbers[1],
            reason=REASONS[reason] if episode.actions else "",
            resolved=LATER,
        )
        info.compute, info.step = episode.entry, len(episode.actions)
        return info
