"""One training pass of the counterfactual table, compiled: world, outcomes, scores, updates.

The same pass as ``Simulator.run`` with ``alternatives``: the account trades greedily with epsilon,
every candidate row is simulated under all actions, and the table learns each row when its last
outcome is known. Results are equal to the last bit; only the speed differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from agents.sizing.counterfactual import CounterfactualAgent
from envs.core.decide import PresetArrays
from envs.core.errors import FixInput
from envs.core.rules.course import MAX_STAMPS
from envs.core.rules.state import N_STATES
from envs.core.types import Int64Array
from envs.kernel.layout import lay_out
from envs.kernel.state import SLOT, TRADE, account_dtype
from training.simulate import REWARD_KINDS, Period, PolicyRun, trade_reward_of
from training.table_loop import (
    BAD_ACTION,
    BAD_ROW,
    SEQUENCE,
    TRADES,
    Counts,
    Rows,
    Scratch,
    Tables,
    compiled_pass,
)

CHUNK_ROWS = 2_048
Progress = Callable[[int], None]


def run_table_pass(
    period: Period,
    agent: CounterfactualAgent,
    rng: np.random.Generator,
    progress: Progress | None = None,
    account: str = "sim",
) -> PolicyRun:
    """One pass over the period; ``TablePass`` repeats passes without preparing anew."""
    return TablePass(period).run(agent, rng, progress, account)


class TablePass:
    """A period laid out for compiled passes of a table; equal to ``Simulator.run(learn=agent)``."""

    def __init__(self, period: Period) -> None:
        self.period = period
        data, tape = period.data, period.tape
        self._memory = lay_out(data, tape, None, period.settings, period.preset, tape.candidate)
        own = period.rows()
        n, n_symbols = int(own.size), data.market.n_symbols
        self._places = np.full(tape.candidate.shape, -1, dtype=np.int64)
        self._places[period.candidates.rows[own], period.candidates.symbols[own]] = np.arange(n)
        self._overlap = np.ascontiguousarray(period.candidates.overlap[own])
        self._n, self._preset = n, _preset_of(period)
        self._slots = np.zeros((1, n_symbols), dtype=SLOT)
        self._trades = np.zeros(n_symbols, dtype=TRADE)
        self._kept = _rows(n, period.preset.n, period.last)
        self._compiled = compiled_pass()

    def run(
        self,
        agent: CounterfactualAgent,
        rng: np.random.Generator,
        progress: Progress | None = None,
        account: str = "sim",
    ) -> PolicyRun:
        """Train ``agent`` on one pass; it trades greedily with epsilon, drawn from ``rng``.

        Raises:
            FixInput: A row was learned before (nothing is learned then), or its outcome is not
                finite; it names the row.
        """
        period, kept, n = self.period, self._kept, self._n
        own = period.rows()
        candidates = np.stack([period.candidates.rows[own], period.candidates.symbols[own]], axis=1)
        known = agent.first_learned(_ids_of(period.data.market, candidates, account))
        if known is not None:
            raise FixInput(
                f"decision {known}: learned already; another planned pass starts with begin_pass"
            )
        last, n_actions = period.last, period.preset.n
        acc = np.zeros(1, dtype=account_dtype(period.settings.ess.max_stops_15m))
        self._slots[:] = np.zeros((), dtype=SLOT)
        _begin(self._memory, acc, self._slots, period)
        _empty(kept)
        found = np.zeros(n + self._trades.size, dtype=TRADE)
        scratch = _scratch(n_actions)
        counts = Counts(
            np.zeros(n_actions, dtype=np.int64), np.zeros(N_STATES, dtype=np.int64),
            np.zeros(N_STATES, dtype=np.int64), np.zeros(n_actions),
        )  # fmt: skip
        decided = np.zeros(n, dtype=np.bool_)
        equity = np.zeros(last - period.first + 1)
        equity[0] = period.settings.start_equity_quote
        draws, tables = rng.random((n, 2)), _tables(agent)
        while True:
            until = min(last, int(acc["row"][0]) + CHUNK_ROWS)
            self._compiled(
                self._memory.address, period.tape.slopes, self._places, self._overlap,
                self._preset, draws, agent.settings.epsilon,
                period.settings.signal.min_confidence, REWARD_KINDS[period.reward], acc[0],
                self._slots[0], self._trades, found, tables, kept, scratch, counts, decided,
                equity, period.first, until,
            )  # fmt: skip
            _refuse_bad(agent, period.data.market.symbols, kept, scratch)
            if progress is not None:
                progress(int(acc["row"][0]) - period.first)
            if int(acc["row"][0]) >= last or bool(acc["ruined"][0]):
                break
        learned = int(scratch.counters[SEQUENCE])
        _remember(agent, period.data.market, kept.seen[:learned].copy(), account)
        found = found[: scratch.counters[TRADES]]
        ruined = bool(acc["ruined"][0])
        return _report(period, agent, found, self._places, counts, decided, equity, learned, ruined)


class PresetColumns(NamedTuple):
    """Axes of the preset as the compiled loops read them."""

    sizes: Any
    leverages: Any
    exits: Any
    twins: Any


def _preset_of(period: Period) -> PresetColumns:
    arrays = PresetArrays(period.preset)
    return PresetColumns(arrays.sizes, arrays.leverages, arrays.exits, arrays.twins)


def _begin(m: Any, acc: Any, slots: Any, period: Period) -> None:
    from envs.kernel.step import compiled_start

    compiled_start()(m.address, acc[0], slots[0], period.first, period.last, (1 << 62) - 1)


def _rows(n: int, n_actions: int, last: int) -> Rows:
    """Room for ``n`` waiting rows and one that is looked at without being learned."""
    grid = (n + 1, n_actions)
    state, place, row, symbol = np.empty((4, n + 1), dtype=np.int64)
    return Rows(
        state, place, row, symbol, np.empty(n + 1), np.empty(n + 1),
        np.empty(grid, dtype=np.bool_), np.empty(grid), np.empty(grid),
        np.empty(last + 2, dtype=np.int64), np.empty(last + 2, dtype=np.int64),
        np.empty(n + 1, dtype=np.int64), np.empty(n + 1, dtype=np.int64),
        np.empty((n, 2), dtype=np.int64),
    )  # fmt: skip


def _empty(kept: Rows) -> None:
    """Make all places free."""
    kept.head[:], kept.tail[:] = -1, -1
    kept.free[:] = np.arange(kept.free.size)


def _scratch(n_actions: int) -> Scratch:
    counters = np.zeros(6, dtype=np.int64)
    counters[BAD_ROW] = -1
    return Scratch(
        np.zeros(n_actions, dtype=np.int64), np.zeros(n_actions),
        np.zeros(n_actions, dtype=np.bool_), np.zeros(n_actions, dtype=np.int8),
        np.zeros(n_actions, dtype=np.int64), np.zeros(n_actions, dtype=np.int64),
        np.zeros(n_actions), np.zeros(n_actions), np.empty((MAX_STAMPS, 2)), counters,
    )  # fmt: skip


def _tables(agent: CounterfactualAgent) -> Tables:
    s = agent.settings
    parameters = np.array(
        [
            s.ev_z, s.prior == "ev_line", *s.shrink_k, s.lcb_z, s.kelly_fraction,
            float(agent.planned_passes), s.min_step,
        ]
    )  # fmt: skip
    return Tables(
        agent.raw, agent.eff, agent.mean, agent.msq, agent.all_raw, agent.all_mean, agent.all_msq,
        parameters,
    )  # fmt: skip


def _refuse_bad(
    agent: CounterfactualAgent, symbols: tuple[str, ...], kept: Rows, scratch: Scratch
) -> None:
    i = int(scratch.counters[BAD_ROW])
    if i >= 0:
        action = int(scratch.counters[BAD_ACTION])
        raise FixInput(
            f"row {kept.row[i]} of {symbols[int(kept.symbol[i])]}: reward of "
            f"{agent.preset.label(action)} is {kept.reward[i, action]} with prior inputs ev "
            f"{kept.ev[i]}, round trip {kept.trip[i]}: not finite, not learned"
        )


def _remember(agent: CounterfactualAgent, market: Any, seen: Int64Array, account: str) -> None:
    """The ids of the rows learned, as the decisions of the plain pass would bear them."""
    if seen.size == 0:
        return
    last_ns = int(market.close_ns[seen[:, 0]].max())
    agent.learned_elsewhere(_ids_of(market, seen, account), last_ns)


def _ids_of(
    market: Any, places: Int64Array, account: str
) -> Callable[[], Iterator[tuple[str, int]]]:
    """Names the decisions at ``places`` (N, 2), row and symbol, when asked."""

    def identities() -> Iterator[tuple[str, int]]:
        close = market.close_ns[places[:, 0]]
        for s, ns in zip(places[:, 1].tolist(), close.tolist(), strict=True):
            yield f"{account}:{market.symbols[s]}:{ns}", 0

    return identities


def _report(
    period: Period,
    agent: CounterfactualAgent,
    found: Any,
    places: Any,
    counts: Counts,
    decided: Any,
    equity: Any,
    learned: int,
    ruined: bool,
) -> PolicyRun:
    n = decided.size
    reward, executed = np.zeros(n), np.zeros(n, dtype=np.bool_)
    at = places[found["row"], found["symbol"]]
    atr_frac = period.data.market.atr_frac[found["row"], found["symbol"]]
    kind = REWARD_KINDS[period.reward]
    reward[at] = [
        trade_reward_of(row, kind, float(x)) for row, x in zip(found, atr_frac, strict=True)
    ]
    executed[at] = True
    return PolicyRun(
        agent.name, reward, executed, decided, equity, counts.actions, counts.states, counts.rows,
        counts.reward / max(1, learned), ruined=ruined, n_trades=int(found.size),
    )  # fmt: skip
