"""Held-out evaluation: the agent beside every baseline, each in an account of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from agents.baselines import Constant, EvKelly, FixedLargest, FractionalKelly, RandomPolicy, Skip
from agents.protocol import SizingAgent
from agents.settings import KellySettings, SizingSettings
from agents.sizing.mathematician import Mathematician
from envs.core.series import prepare
from envs.core.types import NS_PER_DAY, EntryStyle, ExitStrategy, Int64Array
from envs.kernel.signal import exits_of
from training.scores import (
    MONTH_DAYS,
    Costs,
    Interval,
    block_mean,
    bootstrap_difference,
    costs_of,
    liquidations,
    max_drawdown,
)
from training.simulate import Period, PolicyRun, Simulator

CONFIDENCE_EDGES = (0.0, 0.15, 0.30, 0.50, 0.80, float("inf"))
BEST_CONSTANT = "best constant ({})"
Report = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One policy in the final table, per candidate; ``versus`` = agent minus this policy."""

    name: str
    mean_reward: float
    versus: Interval | None
    months_needed: float
    log_growth: float
    max_drawdown: float
    trades: int
    decided: int
    liquidations: int
    costs: Costs
    mean_net_r: float | None
    ruined: bool


@dataclass(frozen=True)
class Direction:
    """Drift-free direction statistic of one exit and confidence bin, bps of notional."""

    exit: str
    low: float
    high: float
    n: int
    value: Interval


@dataclass(frozen=True)
class Evaluation:
    """Everything the report shows of one held-out period."""

    agent: str
    rows: tuple[Row, ...]
    direction: tuple[Direction, ...]
    months: float
    candidates: int
    constants: dict[str, float]
    traded_share: float
    buy_and_hold: float
    runs: dict[str, PolicyRun]

    def row(self, name: str) -> Row:
        """Row of a policy."""
        return next(r for r in self.rows if r.name == name)


def baselines(
    period: Period,
    sizing: SizingSettings,
    kelly: KellySettings,
    best_constant: int | None,
    turnover: float,
    seed: int,
) -> list[SizingAgent]:
    """Every policy that stands beside the agent."""
    preset = period.preset
    made: list[SizingAgent] = [
        Constant(preset, preset.index_of(1.0, 1, ExitStrategy.BALANCED), "fixed 1x"),
        FixedLargest(preset),
        RandomPolicy(preset, turnover, seed),
        EvKelly(preset, sizing),
        FractionalKelly(preset, kelly),
        Mathematician(preset, period.settings.plan, period.settings.costs),
    ]
    if preset.skip_index is not None:
        made.insert(0, Skip(preset))
    if best_constant is not None:
        label = BEST_CONSTANT.format(preset.label(best_constant))
        made.append(Constant(preset, best_constant, label))
    return made


def turnover_of(run: PolicyRun) -> float:
    """Share of a run's decisions that opened a position, at least 1 %: the random policy's."""
    return max(0.01, float(run.executed.sum()) / max(1, int(run.decided.sum())))


def evaluate(
    period: Period,
    agent: SizingAgent,
    others: Sequence[SizingAgent],
    seed: int,
    learning: SizingAgent | None = None,
    report: Report | None = None,
) -> Evaluation:
    """Run the agent and the others over the period and compare them.

    ``learning`` is a copy of the agent that goes on learning from the period's own outcomes.
    """
    sim = Simulator(period)
    own = sim.run(agent, alternatives=True)
    runs = {"agent": own}
    for other in others:
        if report is not None:
            report(other.name)
        runs[other.name] = sim.run(other, learn=other)
    if learning is not None:
        runs["agent, learning on"] = sim.run(learning, learn=learning, alternatives=True)
    style = _other_style(period)
    runs[f"agent, {style.settings.entry.style.name.lower()} entries"] = Simulator(style).run(agent)
    mine = period.rows()
    times = period.data.market.close_ns[period.candidates.rows[mine]]
    months = _months(period)
    rows = tuple(_row(name, r, own, times, months, seed) for name, r in runs.items())
    constants = {
        period.preset.label(i): float(own.action_reward[i]) for i in range(period.preset.n)
    }
    decided = max(1, int(own.decided.sum()))
    return Evaluation(
        agent.name, rows, direction_table(period, mine), months, int(mine.size), constants,
        int(own.executed.sum()) / decided, _buy_and_hold(period), runs,
    )  # fmt: skip


def direction_table(period: Period, mine: Int64Array) -> tuple[Direction, ...]:
    """Half of this side minus the opposite side, net, per candidate, exit and bin."""
    c, market = period.candidates, period.data.market
    rows, symbols = c.rows[mine], c.symbols[mine]
    gain = np.full((mine.size, 3), np.nan)
    for s in range(market.n_symbols):
        own = symbols == s
        side = period.tape.side[rows[own], s]
        args = (period.data, period.settings, s, rows[own])
        this, _ = exits_of(*args, side, period.last, True)
        opposite, _ = exits_of(*args, (-side).astype(np.int8), period.last, True)
        frac = market.atr_frac[rows[own], s]
        gain[own] = 0.5 * (this - opposite) * frac[:, None] * 1e4
    confidence = period.tape.confidence[rows, symbols]
    out = []
    for e in ExitStrategy:
        for low, high in pairwise(CONFIDENCE_EDGES):
            pick = (confidence >= low) & (confidence < high) & np.isfinite(gain[:, e])
            value = block_mean(gain[pick, e], market.close_ns[rows[pick]])
            out.append(Direction(e.name.lower(), low, high, int(pick.sum()), value))
    return tuple(out)


def _row(
    name: str, run: PolicyRun, own: PolicyRun, times: Int64Array, months: float, seed: int
) -> Row:
    versus = None
    if run is not own and run.reward.shape == own.reward.shape:
        versus = bootstrap_difference(own.reward, run.reward, times, seed)
    net_r = [t.r_net for t in run.trades]
    return Row(
        name,
        float(run.reward.mean()) if run.reward.size else 0.0,
        versus,
        versus.months_needed(months) if versus else float("nan"),
        run.log_growth,
        max_drawdown(run.equity),
        len(run.trades),
        int(run.decided.sum()),
        liquidations(run.trades),
        costs_of(run.trades),
        float(np.mean(net_r)) if len(net_r) >= 30 else None,
        run.ruined,
    )


def _other_style(period: Period) -> Period:
    entry = period.settings.entry
    other = EntryStyle.POST_ONLY if entry.style is EntryStyle.MARKET else EntryStyle.MARKET
    settings = replace(period.settings, entry=replace(entry, style=other))
    return replace(period, settings=settings, data=prepare(period.data.market, settings))


def _months(period: Period) -> float:
    ns = period.data.market.close_ns
    return float(int(ns[period.last]) - int(ns[period.first])) / (NS_PER_DAY * MONTH_DAYS)


def _buy_and_hold(period: Period) -> float:
    """Log growth of equal, unlevered, never rebalanced long positions, taker costs both ways."""
    market, costs = period.data.market, period.settings.costs
    growth: list[float] = []
    for s, instrument in enumerate(market.instruments):
        known = np.flatnonzero(market.valid[period.first : period.last + 1, s])
        if known.size < 2:
            continue
        a = instrument.price(int(market.close_ticks[period.first + int(known[0]), s]))
        b = instrument.price(int(market.close_ticks[period.first + int(known[-1]), s]))
        growth.append(b / a)
    if not growth:
        return 0.0
    return float(np.log(np.mean(growth)) - 2.0 * costs.taker_fee)
