"""Signals known beforehand and a brain that always enters, so that every run trades often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agents.protocol import AgentState, SizingAgent
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.actions import ActionPreset
from envs.core.errors import FixData
from envs.core.series import MarketSeries
from envs.core.tape import SignalTape, VoteTable
from envs.core.trade import (
    ResolvedDecision,
    ResolvedLabel,
    SizingChoice,
    SizingContext,
    no_propensities,
)
from envs.core.types import MODEL_NAMES
from runtime.port_market import Bar

HORIZON = 3
_M = len(MODEL_NAMES)


def votes_for(data: MarketSeries, seed: int) -> VoteTable:
    """Votes that mean nothing, with outcomes known ``HORIZON`` bars later."""
    rng = np.random.default_rng([seed, 0x70E5])
    t, s = data.market.n_bars, data.market.n_symbols
    p_up = np.round(rng.uniform(0.2, 0.8, (t, s, _M)), 6)
    ends = np.arange(t)[:, None] + HORIZON
    ends = np.where((ends < t) & data.market.valid, ends, -1).astype(np.int64) * np.ones(
        (1, s), dtype=np.int64
    )
    known = ends >= 0
    wins = rng.integers(0, 2, (t, s)).astype(np.float64)
    return VoteTable(
        MODEL_NAMES, p_up, np.round(1.0 - p_up, 6), np.ones((t, s, _M), dtype=np.bool_),
        np.where(p_up > 0.5, 0.004, -0.004), np.where(known, wins, np.nan),
        np.where(known, 1.0 - wins, np.nan), rng.normal(0.0, 1.0, (t, s)), ends, "planted", HORIZON,
    )  # fmt: skip


def tape_for(data: MarketSeries, votes: VoteTable, seed: int, share: float = 1.0) -> SignalTape:
    """A candidate at ``share`` of all bars, long or short at random."""
    rng = np.random.default_rng([seed, 0x7A9E])
    t, s = data.market.n_bars, data.market.n_symbols
    side = np.where(rng.random((t, s)) < 0.5, 1, -1).astype(np.int8)
    small, half = np.zeros((t, s), dtype=np.int8), np.full((t, s), 0.5)
    return SignalTape(
        side, half * side, np.mean(votes.p_up, axis=2), np.mean(votes.p_down, axis=2),
        0.004 * side, half, half, small, small, np.full((t, s, _M), 1.0 / _M),
        np.ones((t, s, _M)), (rng.random((t, s)) < share) & data.market.valid,
        np.full((t, 3, 3), np.nan), "planted", "uniform",
    )  # fmt: skip


class ScriptedSignals:
    """``kernel_ports.Signals`` over a market that is known; ``row`` is as far as bars have come.

    ``at_once``: there are candidates at the row at which trading starts.
    """

    def __init__(
        self, data: MarketSeries, seed: int, first_row: int, share: float = 1.0,
        manager: ReinforcementManager | None = None, at_once: bool = True,
    ) -> None:  # fmt: skip
        self.data = data
        self.votes = votes_for(data, seed)
        self.tape = tape_for(data, self.votes, seed, share)
        if not at_once:
            self.tape.candidate[: first_row + 1] = False
        self.manager = manager or ReinforcementManager(ReinforcementSettings(), HORIZON)
        self.row = first_row
        self.last_row = data.market.n_bars - 1

    def receive(self, close_ns: int, bars: Sequence[Bar] = ()) -> tuple[ResolvedLabel, ...]:
        """Go to the row of a close; the labels that ended on the way, oldest first."""
        market = self.data.market
        row, off = divmod(close_ns - int(market.close_ns[0]), market.interval_ns)
        if off or not self.row <= row <= self.last_row:
            raise FixData(f"close {close_ns}: no row after {self.row}")
        ended = [
            (int(self.votes.label_end[t, s]), t, s)
            for t in range(max(0, self.row - HORIZON), row)
            for s in range(market.n_symbols)
            if self.row < self.votes.label_end[t, s] <= row
        ]
        self.row = row
        return tuple(self._label(t, s, end) for end, t, s in sorted(ended))

    async def vote(self) -> None:
        """The votes are known."""

    def weigh(self) -> None:
        """The signal is known."""

    def state(self) -> dict[str, Any]:
        """The row."""
        return {"row": self.row}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue at the row."""
        self.row = int(state["row"])

    def _label(self, t: int, s: int, end: int) -> ResolvedLabel:
        market, votes = self.data.market, self.votes
        return ResolvedLabel(
            market.symbols[s], int(market.close_ns[t]), int(market.close_ns[end]),
            votes.p_up[t, s], votes.p_down[t, s], int(votes.y_long[t, s]), int(votes.y_short[t, s]),
            votes.sides_at(t, s),
        )  # fmt: skip


class EagerBrain:
    """Always enters, with an action that depends on everything its agent has learned so far.

    A decision learned twice, or not at all, changes the trades that follow it.
    """

    name = "eager"

    def __init__(self, agent: SizingAgent, most_size: float = 0.5) -> None:
        self.agent, self.preset = agent, agent.preset
        self._wanted = wanted_of(self.preset, most_size)

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """One of the allowed actions; skips only where none is."""
        allowed = np.flatnonzero(context.mask & self._wanted)
        if allowed.size == 0:
            skip = self.preset.skip_index or 0
            return SizingChoice(skip, no_propensities(self.preset.n, skip), "NO_ACTION")
        index = int(allowed[int(self.agent.digest()[:8], 16) % allowed.size])
        return SizingChoice(index, no_propensities(self.preset.n, index))

    def learn_one(self, resolved: ResolvedDecision) -> None:
        """The agent learns; the brain itself has nothing to learn."""
        self.agent.learn_one(resolved)

    def digest(self) -> str:
        """That of the agent."""
        return self.agent.digest()

    def state_dict(self) -> AgentState:
        """That of the agent."""
        return self.agent.state_dict()

    def load_state_dict(self, state: AgentState) -> None:
        """Into the agent."""
        self.agent.load_state_dict(state)


def wanted_of(preset: ActionPreset, most_size: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Actions that trade and are small enough for several positions side by side."""
    return np.asarray([0.0 < a.size <= most_size for a in preset.actions])
