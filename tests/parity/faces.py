"""A kernel on a simulated exchange with drawn signals, and the core's world beside it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from agents.protocol import SizingAgent
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.actions import preset
from envs.core.decide import Desk, decide
from envs.core.hooks import HookChain
from envs.core.series import MarketSeries, prepare
from envs.core.tape import SignalTape, VoteTable
from envs.core.trade import (
    ClosedTrade,
    Decision,
    ResolvedDecision,
    ResolvedLabel,
    SizingChoice,
    SizingContext,
    Skipped,
    no_propensities,
)
from envs.core.types import EntryStyle, EntryUnfilled
from envs.core.view import DecisionView
from envs.core.world import Resolved, World
from runtime.driving.lockstep import LockstepDriver
from runtime.driving.sim import sim_parts
from runtime.kernel import Kernel
from runtime.kernel_parts import KernelParts
from runtime.kernel_ports import Record
from runtime.port_market import Bar
from runtime.settings import load_settings
from runtime.subsystems.emergency_stop import EmergencyStop
from runtime.trading.context import TradingOptions
from tests.parity.test_exchange_equals_world import settings_of
from tests.property.strategies import FIRST_ROW, Case, signals, small_market

GRID = preset("full")


@dataclass
class Drawing:
    """An agent that draws among the allowed actions from its own generator, in order of asking."""

    seed: int
    name: str = "drawing"
    preset: Any = GRID
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        index = int(self.rng.choice(np.flatnonzero(context.mask)))
        return SizingChoice(index, no_propensities(context.mask.shape[0], index))


@dataclass
class ByState:
    """An agent whose choice follows from what it sees alone, whoever asks, however often."""

    seed: int
    name: str = "by-state"
    preset: Any = GRID

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        told = f"{self.seed}:{context.confidence!r}:{context.atr_frac!r}".encode()
        rng = np.random.default_rng(zlib.crc32(told))
        index = int(rng.choice(np.flatnonzero(context.mask)))
        return SizingChoice(index, no_propensities(context.mask.shape[0], index))


@dataclass
class Always:
    """An agent that takes one action wherever it may."""

    index: int
    name: str = "always"
    preset: Any = GRID

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        index = self.index if context.mask[self.index] else 0
        return SizingChoice(index, no_propensities(context.mask.shape[0], index))


class GivenSignals:
    """Signals whose tape was drawn; rows are revealed one by one."""

    def __init__(self, data: MarketSeries, tape: SignalTape, row: int) -> None:
        shape = (*data.market.valid.shape, 4)
        none = np.full(shape, np.nan)
        flat = np.full(shape[:2], np.nan)
        self.data, self.tape, self.row = data, tape, row
        self.votes = VoteTable(
            ("a", "b", "c", "d"), none, none, np.zeros(shape, dtype=np.bool_), np.zeros(shape),
            flat, flat, flat, np.full(shape[:2], -1), "planted", 8,
        )  # fmt: skip
        self.last_row = data.market.n_bars - 1
        self.manager = ReinforcementManager(ReinforcementSettings(algorithm="uniform"), 8)

    def receive(self, close_ns: int, bars: Sequence[Bar]) -> tuple[ResolvedLabel, ...]:
        self.row += 1
        assert int(self.data.market.close_ns[self.row]) == close_ns
        return ()

    async def vote(self) -> None: ...

    def weigh(self) -> None: ...

    def state(self) -> dict[str, Any]:
        return {"row": self.row}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.row = int(state["row"])


class Unlearned:
    """Learning that only keeps outcomes."""

    def __init__(self, agent: SizingAgent, manager: ReinforcementManager) -> None:
        self.agent, self.manager = agent, manager
        self.outcomes: list[tuple[Decision, ClosedTrade | Skipped]] = []

    def watch(self, view: DecisionView, decision: Decision) -> None: ...

    def outcome(self, decision: Decision, outcome: ClosedTrade | Skipped) -> None:
        self.outcomes.append((decision, outcome))

    def due(self, row: int) -> tuple[ResolvedDecision, ...]:
        return ()

    def finish(self) -> tuple[ResolvedDecision, ...]:
        return ()

    def learn(self, resolved: Sequence[ResolvedDecision]) -> None: ...

    def learn_labels(self, labels: Sequence[ResolvedLabel]) -> None: ...

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any], found: Callable[[str], Any]) -> None: ...


class Kept:
    """A journal in a list."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.states: list[Mapping[str, Any]] = []

    def add(self, record: Record) -> None:
        self.records.append(record)

    def leaves_out(self, kind: str, time_ns: int, why: str = "") -> bool:
        return False

    async def commit(self, state: Callable[[], Mapping[str, Any]] | None = None) -> None:
        if state is not None:
            self.states.append(state())

    async def last_state(self) -> Mapping[str, Any] | None:
        return self.states[-1] if self.states else None


def kernel_of(
    case: KernelCase,
    data: MarketSeries,
    parts: Any,
    *,
    journal: Any = None,
    store: Any = None,
    adopts: bool = False,
) -> Kernel:
    """A kernel over the given venue parts with the case's drawn agent and tape."""
    settings = _settings(case)
    journal = journal or Kept()
    row = data.market.row_at(parts.session.now_ns)
    signals = GivenSignals(data, case.tape, row)
    agent: Any = ByState(case.seed) if case.memoryless else Drawing(case.seed)
    if case.action is not None:
        agent = Always(case.action)
    stop = EmergencyStop(
        case.settings, case.settings.start_equity_quote, parts.session.now_ns, journal.add,
        auto_acknowledge=True,
    )  # fmt: skip
    return Kernel(
        KernelParts(
            settings,
            GRID,
            data.market.symbols,
            parts.venue,
            signals,
            Unlearned(agent, signals.manager),
            journal,
            stop,
            agent,
            HookChain(),
            lambda: parts.session.now_ns,
            store=store,
            adopts=adopts,
            options=TradingOptions(full=False),
        )
    )


@dataclass(frozen=True)
class KernelCase(Case):
    """A case; ``memoryless`` agents choose by what they see alone, an ``action`` is fixed."""

    memoryless: bool = False
    action: int | None = None


def case_of(
    seed: int, n: int = 150, symbols: int = 3, shock: float = 0.05, with_mark: bool = False,
    style: EntryStyle = EntryStyle.MARKET, unfilled: EntryUnfilled = EntryUnfilled.LAPSE,
    eager: bool = True, memoryless: bool = False,
) -> KernelCase:  # fmt: skip
    """A drawn market with drawn signals; eager settings meet the drawdown ladder often."""
    market = small_market(seed, n, symbols, shock, with_mark)
    settings = settings_of(seed, style, unfilled, eager)
    return KernelCase(market, signals(market, seed + 1), settings, seed + 2, memoryless)


def _settings(case: KernelCase) -> Any:
    return replace(load_settings(), core=case.settings)


@dataclass
class Face:
    """What one face came to."""

    trades: list[ClosedTrade]
    skips: list[tuple[str, str]]
    ledger: list[tuple[int, str, str, int]]
    cash: int
    equity: list[float]


async def ride_sim(case: KernelCase) -> Face:
    """The runtime on the simulated exchange."""
    data = prepare(case.market, case.settings)
    parts = sim_parts(data, case.settings, FIRST_ROW)
    kernel = kernel_of(case, data, parts)
    account = kernel.context.books.account
    equity: list[float] = []
    await parts.venue.open()
    await kernel.start()
    await LockstepDriver(
        kernel, parts.stepper, lambda _: equity.append(account.equity_quote())
    ).run()
    learning: Any = kernel.parts.learning
    assert parts.session.state.ledger.wallet_units == account.cash_units
    skips = [(d.decision_id, o.reason) for d, o in learning.outcomes if isinstance(o, Skipped)]
    ledger = [(e.time_ns, e.symbol, e.kind.name, e.units) for e in account.ledger]
    return Face(kernel.trades, skips, ledger, account.cash_units, equity)


def ride_world(case: KernelCase) -> Face:
    """The core's own world."""
    data = prepare(case.market, case.settings)
    world = World(data, case.settings, FIRST_ROW)
    desk = Desk(world, case.tape, GRID, case.settings)
    agent = Drawing(case.seed)
    resolved: list[Resolved] = []
    equity: list[float] = []
    while not (world.row >= world.last_row):
        for s in desk.candidates():
            if desk.block_reason(s) == "END":
                continue
            view = desk.view(s)
            decision = decide(view, agent, HookChain())
            if decision.chosen is not None and not desk.commit(view, decision):
                resolved.append(Resolved(decision, Skipped(decision.reason or "SKIP"), world.row))
        resolved += world.advance()
        equity.append(world.account.equity_quote())
    resolved += world.finish()
    trades = [r.outcome for r in resolved if isinstance(r.outcome, ClosedTrade)]
    skips = [
        (r.decision.decision_id, r.outcome.reason)
        for r in resolved
        if isinstance(r.outcome, Skipped)
    ]
    ledger = [(e.time_ns, e.symbol, e.kind.name, e.units) for e in world.account.ledger]
    return Face(trades, skips, ledger, world.account.cash_units, equity)
