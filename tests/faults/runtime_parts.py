"""A whole runtime on an exchange: adapter, journal, learning and kernel, put together.

In the same way in the process of a test and in a child that will be killed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from envs.core.actions import preset
from envs.core.hooks import HookChain
from envs.core.settings import CoreSettings
from runtime.adapters.ccxt_factory import make_exchange
from runtime.adapters.ccxt_truth import AskPolicy
from runtime.adapters.ccxt_venue import CcxtVenue, VenueSettings
from runtime.adapters.lockstep_venue import LockstepVenue
from runtime.adapters.user_stream import StreamSettings
from runtime.journal.sql_journal import SqlJournal
from runtime.kernel import Kernel
from runtime.kernel_parts import KernelParts
from runtime.kernel_ports import Quote
from runtime.learning.checkpoints import Checkpoints
from runtime.learning.learning import OnlineLearning
from runtime.learning.recovery import decision_reader, recover
from runtime.settings import Settings
from runtime.store.database import Database, open_database
from runtime.store.sql_store import SqlStore
from runtime.subsystems.emergency_stop import EmergencyStop
from runtime.trading.context import TradingOptions
from runtime.wiring.local import stream_up
from tests.faults.runtime_market import Shape, core_settings, data_for, series_for, still
from tests.faults.runtime_script import EagerBrain, ScriptedSignals

ACCOUNT = "chaos"
PRESET = "classic"
QUICK = VenueSettings(
    ask=AskPolicy(tries=3, floor_s=0.3, deadline_s=3.0, answer_s=0.5, search_s=3.0,
                  first_wait_s=0.05, most_wait_s=0.2),
    stream=StreamSettings(put_s=60.0, silence_s=1.0, check_s=0.05, first_wait_s=0.05),
    told_s=0.4, reconcile_s=60.0, check_s=0.05,
)  # fmt: skip
"""Short times for lockstep, where the market waits."""
REAL = VenueSettings()
"""The times of production."""


@dataclass(frozen=True)
class Plan:
    """What a runtime trades and how; everything a child process needs to build it.

    Attributes:
        folder: of journal and checkpoints; the same one after a restart.
        shape: of the market, the same as the exchange's.
        quiet: the market stands still but for faults.
        share: share of bars that are candidates.
        venue: times of the adapter.
        checkpoint_every: resolved decisions between two checkpoints of the agents.
    """

    folder: Path
    shape: Shape = field(default_factory=Shape)
    quiet: bool = False
    share: float = 1.0
    core: CoreSettings = field(default_factory=core_settings)
    venue: VenueSettings = QUICK
    timeout_ms: int = 10_000
    most_size: float = 0.5
    checkpoint_every: int = 5
    at_once: bool = True
    options: TradingOptions = field(default_factory=TradingOptions)

    def data(self) -> Any:
        """The market."""
        return (still if self.quiet else data_for)(self.shape)


@dataclass
class Runtime:
    """The parts, opened and recovered."""

    plan: Plan
    kernel: Any
    venue: CcxtVenue
    store: SqlStore
    journal: SqlJournal
    signals: ScriptedSignals
    learning: OnlineLearning
    agent: CounterfactualAgent
    stop: EmergencyStop
    database: Database


Wrap = Callable[[str, Any], Any]
"""Takes a part's name and the part; returns what is put in its place (a place to be killed at)."""


def as_it_is(name: str, part: Any) -> Any:
    """Change nothing."""
    return part


@asynccontextmanager
async def open_runtime(
    plan: Plan, url: str, clock_ns: Callable[[], int], wrap: Wrap = as_it_is,
    quotes: Mapping[str, Quote] | None = None, *, hears: bool = False,
) -> AsyncIterator[Runtime]:  # fmt: skip
    """A runtime that has recovered; leaving the context closes it as a crash-only program may.

    ``hears``: the account's stream is up before anything is done, as in ``runtime.wiring.local``.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    database = open_database(f"sqlite:///{plan.folder / 'journal.db'}", durable=False)
    store, journal = SqlStore(database), SqlJournal(database)
    client = make_exchange("local", url=url, timeout_ms=plan.timeout_ms)
    client.streaming["keepAlive"] = 200 if plan.options.in_turn else 10_000
    kind = LockstepVenue if plan.options.in_turn else CcxtVenue
    venue = kind(
        wrap("client", client), wrap("store", store), plan.shape.symbols, settings=plan.venue
    )
    await venue.open()
    try:
        if hears and isinstance(venue, LockstepVenue):
            await stream_up(venue)
        runtime = await _made(plan, database, store, journal, venue, clock_ns, wrap)
        await runtime.kernel.start(quotes)
        yield runtime
    finally:
        await venue.close()
        database.close()


def signals_for(plan: Plan) -> ScriptedSignals:
    """What the runtime of a plan sees of its market."""
    shape = plan.shape
    series = series_for(plan.data(), plan.core)
    return ScriptedSignals(series, shape.seed, shape.first_row, plan.share, at_once=plan.at_once)


async def _made(
    plan: Plan, database: Database, store: SqlStore, journal: SqlJournal, venue: CcxtVenue,
    clock_ns: Callable[[], int], wrap: Wrap,
) -> Runtime:  # fmt: skip
    signals = signals_for(plan)
    settings = replace(Settings(), core=plan.core, sizing=SizingSettings(preset=PRESET))
    agent = CounterfactualAgent(preset(PRESET), settings.sizing)
    learning = OnlineLearning(
        signals, plan.core, agent, reward=settings.sizing.reward,
        checkpoints=Checkpoints(plan.folder / "agents"), every=plan.checkpoint_every,
    )  # fmt: skip
    recover(journal, learning)
    stop = EmergencyStop(
        plan.core, plan.core.start_equity_quote, clock_ns(), journal.add, auto_acknowledge=True
    )

    async def checkpoint(force: bool) -> None:
        learning.checkpoint(journal.last_seq, force=force)

    kernel = Kernel(
        KernelParts(
            settings=settings, preset=agent.preset, symbols=plan.shape.symbols,
            venue=wrap("venue", venue), signals=signals, learning=wrap("learning", learning),
            journal=wrap("journal", journal), stop=stop, brain=EagerBrain(agent, plan.most_size),
            chain=HookChain(), account_name=ACCOUNT, clock_ns=clock_ns, store=wrap("store", store),
            found=decision_reader(journal), checkpoint=checkpoint, options=plan.options,
        )
    )  # fmt: skip
    return Runtime(
        plan, kernel, venue, store, journal, signals, learning, agent, stop, database
    )  # fmt: skip
