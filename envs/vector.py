"""Many environments on one shared market, stepped by the compiled kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from envs.core.actions import preset
from envs.core.errors import FixInput, InvalidAction
from envs.core.market_data import MarketData
from envs.core.rules.state import N_STATES
from envs.core.series import MarketSeries, prepare
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape, VoteTable
from envs.core.types import BoolArray, Int64Array
from envs.kernel.batch import Batch
from envs.kernel.layout import lay_out
from envs.kernel.state import REASONS, RUNNING, TERMINATED, TRUNCATED
from envs.observe import BOUND, observation_size
from envs.period import DRAWN_AT_ONCE, Episodes, first_candidate

View = Literal["sizing", "tabular", "trading"]
VECTOR_EPISODE_BARS = 2_160
_AUTORESET = {"next_step": AutoresetMode.NEXT_STEP, "same_step": AutoresetMode.SAME_STEP}
_SIDES = np.array([0, 1, -1], dtype=np.int64)


class TradingVectorEnv(VectorEnv[Any, Any, Any]):
    """``num_envs`` accounts on one market; equals as many single environments, step by step.

    Views: ``sizing`` (Discrete actions, vector observation), ``tabular`` (the same with
    Discrete(300) states), ``trading`` (MultiDiscrete([3, A]), every closed bar).

    Args:
        num_envs: number of environments.
        market, tape, votes, preset_name, settings, prepared: as in ``TradingEnv``.
        view: see above.
        episode_bars: length of an episode, None for the whole period.
        random_start: draw each episode's first bar; off, all start at the first candidate.
        autoreset: ``next_step`` (Gymnasium's default: the step after an end begins the next
            episode, its action is ignored) or ``same_step`` (the ended environment begins at once;
            ``infos["final_obs"]`` and ``infos["final_info"]`` keep the end).
        copy: return copies of the observations. Off, ``step`` returns one of two alternating
            buffers: an observation stays valid until the next but one call of ``step`` or
            ``reset``.
        trades: report closed trades and lapsed entries of each step in ``infos["trades"]``
            (num_envs, symbols) of ``envs.kernel.state.TRADE`` and their ``infos["n_trades"]``.

    Seeds: ``reset(seed=s)`` gives environment i the seed s + i; episode k of an environment starts
    where its seed and k say, whatever the others do. ``reset(options=...)`` knows ``start``,
    ``length``, ``symbols`` (for all) and Gymnasium's ``reset_mask``; they hold for that episode.

    ``infos`` holds arrays (num_envs,): ``state_index`` (-1 at an end), ``symbol_index`` (-1),
    ``side``, ``time_ns``, ``equity`` and ``reason``, an index into ``envs.kernel.state.REASONS``.
    Action masks cost more than a step, so they are given on demand by ``action_masks()``.
    """

    def __init__(
        self,
        num_envs: int = 1,
        market: MarketData | None = None,
        tape: SignalTape | None = None,
        votes: VoteTable | None = None,
        preset_name: str = "full",
        settings: CoreSettings | None = None,
        view: View = "sizing",
        episode_bars: int | None = VECTOR_EPISODE_BARS,
        random_start: bool = True,
        autoreset: Literal["next_step", "same_step"] = "next_step",
        copy: bool = True,
        trades: bool = False,
        prepared: MarketSeries | None = None,
    ) -> None:
        if num_envs < 1:
            raise FixInput(f"num_envs must be at least 1, got {num_envs}")
        if view not in ("sizing", "tabular", "trading"):
            raise FixInput(f"view must be 'sizing', 'tabular' or 'trading', got {view!r}")
        if autoreset not in _AUTORESET:
            raise FixInput(f"autoreset must be 'next_step' or 'same_step', got {autoreset!r}")
        if market is None or tape is None:
            from envs.defaults import default_environment_data

            market, tape, votes = default_environment_data()
        self.num_envs, self.market, self.tape = num_envs, market, tape
        self.preset = preset(preset_name)
        self.settings = settings or CoreSettings()
        self.view: View = view
        self.metadata = {"autoreset_mode": _AUTORESET[autoreset], "render_modes": []}
        self.same_step = autoreset == "same_step"
        self._copy, self._with_trades = copy, trades
        data = prepared or prepare(market, self.settings)
        wanted = market.complete if view == "trading" else tape.candidate
        self._market = lay_out(
            data, tape, votes, self.settings, self.preset, wanted, by_confidence=view != "trading"
        )
        self._episodes = Episodes(market, first_candidate(wanted), episode_bars, random_start)
        self._trading = np.array(
            [i for i, a in enumerate(self.preset.actions) if a.size > 0.0], dtype=np.int64
        )
        self._make_spaces()
        self._allocate()

    def _make_spaces(self) -> None:
        size = observation_size(len(self.market.feature_names))
        if self.view == "tabular":
            self.single_observation_space: Any = gym.spaces.Discrete(N_STATES)
        else:
            self.single_observation_space = gym.spaces.Box(-BOUND, BOUND, (size,), dtype=np.float32)
        if self.view == "trading":
            self.single_action_space: Any = gym.spaces.MultiDiscrete([3, self._trading.size])
        else:
            self.single_action_space = gym.spaces.Discrete(self.preset.n)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def _allocate(self) -> None:
        n, size = self.num_envs, observation_size(len(self.market.feature_names))
        buffers = 1 if self.view == "tabular" or self._copy else 2
        max_stops = self.settings.ess.max_stops_15m
        self.batch = Batch(self._market, n, size, max_stops, buffers, self._with_trades)
        self.accounts, self.slots = self.batch.accounts, self.batch.slots
        self._turn = 0
        self._seeds = np.full(n, -1, dtype=np.int64)
        self._episode = np.zeros(n, dtype=np.int64)
        self._chances = np.zeros((n, DRAWN_AT_ONCE))
        self._redraw = np.ones(n, dtype=np.bool_)
        self._known = np.ones(n, dtype=np.bool_)
        self._started = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:  # fmt: skip
        """Begin an episode in every environment (or in those of ``options["reset_mask"]``).

        Raises:
            FixInput: Seeds or options that do not fit.
        """
        options = dict(options or {})
        mask = self._reset_mask(options.pop("reset_mask", None))
        self._take_seeds(seed)
        super().reset(seed=seed if isinstance(seed, int) else None)
        chosen = np.flatnonzero(mask)
        self._plan(chosen, options)
        self.accounts["phase"][chosen] = TRUNCATED
        self._run(chosen, keep=True)
        self._started = True
        return self._observation(), self._infos()

    def step(self, actions: Any) -> tuple[Any, Any, BoolArray, BoolArray, dict[str, Any]]:
        """Step every environment.

        Raises:
            InvalidAction: Actions of another shape, kind or range; nothing is stepped then.
            FixInput: ``reset`` was never called.
        """
        if not self._started:
            raise FixInput("step() needs a running episode: call reset() first")
        self._take_actions(actions)
        if not self.same_step:
            ended = np.flatnonzero(self.accounts["phase"] != RUNNING)
            if ended.size:
                self._plan(ended, {})
        self._run(self.batch.all)
        phase = self.accounts["phase"]
        terminated, truncated = phase == TERMINATED, phase == TRUNCATED
        rewards = self.batch.rewards.copy()
        infos = self._infos()
        if self.same_step and bool((terminated | truncated).any()):
            infos = self._begin_ended(np.flatnonzero(terminated | truncated), infos)
        return self._observation(), rewards, terminated, truncated, infos

    def action_masks(self) -> BoolArray:
        """Masks (num_envs, A) of the present decisions, True = allowed; all True at an end."""
        return self.batch.masks()

    def _run(self, chosen: Int64Array, keep: bool = False) -> None:
        buffers = self.batch.observations
        if buffers.shape[0] == 2:
            self._turn = 1 - self._turn
            if keep and chosen.size < self.num_envs:
                buffers[self._turn] = buffers[1 - self._turn]
        self.batch.run(chosen, self._turn)

    def _begin_ended(self, ended: Int64Array, infos: dict[str, Any]) -> dict[str, Any]:
        """Same-step mode: keep the ends in ``infos``, begin the next episodes."""
        final = np.empty(self.num_envs, dtype=object)
        observed = self._observation() if self.view == "tabular" else self._buffer()
        for e in ended.tolist():
            final[e] = np.array(observed[e])
        mask = np.zeros(self.num_envs, dtype=np.bool_)
        mask[ended] = True
        self._plan(ended, {})
        self._turn = 1 - self._turn if self.batch.observations.shape[0] == 2 else self._turn
        self._run(ended)
        last = {k: v for k, v in infos.items() if not k.startswith("_")}
        infos = self._infos()
        infos["final_obs"], infos["_final_obs"] = final, mask
        infos["final_info"], infos["_final_info"] = last, mask
        return infos

    def _plan(self, chosen: Int64Array, options: dict[str, Any]) -> None:
        """Period and symbols of the next episode of the chosen environments."""
        allowed = 0
        for s in self._episodes.symbols(options):
            allowed |= 1 << s
        if self._episodes.random_start and "start" not in options:
            place = self._episode[chosen] % DRAWN_AT_ONCE
            for e in chosen[(place == 0) | self._redraw[chosen]].tolist():
                block = int(self._episode[e]) // DRAWN_AT_ONCE
                self._chances[e] = self._episodes.chances(int(self._seeds[e]), block)
            self._redraw[chosen] = False
            periods = self._episodes.periods(options, self._chances[chosen, place])
            self.batch.first[chosen], self.batch.last[chosen] = periods
        else:
            first, last = self._episodes.period(options, 0, 0)
            self.batch.first[chosen], self.batch.last[chosen] = first, last
            self._redraw[chosen] = True
        self.batch.allowed[chosen] = allowed
        self._episode[chosen] += 1

    def _take_seeds(self, seed: int | Sequence[int | None] | None) -> None:
        if isinstance(seed, int | np.integer):
            self._seeds[:] = int(seed) + self.batch.all
            self._episode[:], self._redraw[:] = 0, True
        elif seed is not None:
            if len(seed) != self.num_envs:
                raise FixInput(f"{len(seed)} seeds for {self.num_envs} environments")
            for e, one in enumerate(seed):
                if one is not None:
                    self._seeds[e], self._episode[e], self._redraw[e] = one, 0, True
        unknown = self._seeds < 0
        if bool(unknown.any()):
            self._seeds[unknown] = self.np_random.integers(2**31, size=int(unknown.sum()))

    def _reset_mask(self, mask: Any) -> BoolArray:
        if mask is None:
            return self._known.copy()
        given = np.asarray(mask)
        if given.shape != (self.num_envs,) or given.dtype != np.bool_ or not given.any():
            raise FixInput(
                f"reset_mask must be {self.num_envs} booleans with at least one True: {mask!r}"
            )
        if not self._started and not given.all():
            raise FixInput("the first reset must begin every environment")
        return given

    def _take_actions(self, actions: Any) -> None:
        values = np.asarray(actions)
        wide = self.view == "trading"
        shape = (self.num_envs, 2) if wide else (self.num_envs,)
        limits: Any = [3, self._trading.size] if wide else self.preset.n
        if values.shape != shape or values.dtype.kind not in "iu":
            raise InvalidAction(
                f"actions must be integers of shape {shape} below {limits}, got "
                f"{values.dtype} of shape {values.shape}"
            )
        if bool((values < 0).any()) or bool((values >= limits).any()):
            e = int(
                np.flatnonzero(((values < 0) | (values >= limits)).reshape(shape[0], -1).any(1))[0]
            )
            raise InvalidAction(
                f"action of environment {e} must lie below {limits}, got {values[e].tolist()}"
            )
        if wide:
            np.take(_SIDES, values[:, 0], out=self.batch.sides)
            np.take(self._trading, values[:, 1], out=self.batch.actions)
        else:
            self.batch.actions[:] = values

    def _observation(self) -> Any:
        if self.view == "tabular":
            return np.maximum(self.batch.states, 0)
        return self._buffer().copy() if self._copy else self._buffer()

    def _buffer(self) -> Any:
        return self.batch.observations[self._turn]

    def _infos(self) -> dict[str, Any]:
        acc = self.accounts
        decision = acc["decision"].astype(np.int64)
        infos: dict[str, Any] = {
            "state_index": self.batch.states.copy(),
            "symbol_index": decision,
            "time_ns": self.market.close_ns[acc["row"]],
            "equity": acc["equity"].copy(),
            "reason": acc["reason"].copy(),
        }
        if self._with_trades:
            infos["trades"] = self.batch.trades.copy()
            infos["n_trades"] = acc["n_trades"].copy()
        infos.update({f"_{name}": self._known for name in list(infos)})
        return infos

    @staticmethod
    def reasons(infos: dict[str, Any]) -> list[str]:
        """Why each environment's last decision sent nothing, as text."""
        return [REASONS[int(r)] for r in infos["reason"]]
