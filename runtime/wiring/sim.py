"""A trader with its whole exchange in this process: a backtest of everything that runs live."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from envs.core.errors import RefusedArtifact
from runtime.bundle import load_bundle
from runtime.driving.lockstep import LockstepDriver
from runtime.driving.sim import sim_parts
from runtime.trading.context import TradingOptions
from runtime.wiring.core import build_core
from runtime.wiring.keeping import keep
from runtime.wiring.looking import look_before
from runtime.wiring.period import known_signals
from runtime.wiring.plan import TradePlan
from runtime.wiring.state_folder import RUN, open_state
from runtime.wiring.stepped import SteppedDrive
from runtime.wiring.trader import Trader


@asynccontextmanager
async def open_sim(plan: TradePlan) -> AsyncIterator[Trader]:
    """Open a simulation; it never suspends, so a signal handler reaches it between two bars.

    Raises:
        FixInput: See ``open_trader``; a state that exists is not continued, as the exchange of a
            simulation is forgotten with its process.
    """
    if (plan.state / RUN).exists():
        raise RefusedArtifact(
            f"--state {plan.state}: a simulation is not continued, its exchange is gone: give a "
            "new --state, or none"
        )
    bundle = load_bundle(plan.bundle)
    look_before(plan, bundle)
    signals = known_signals(plan, bundle, emit_labels=plan.journal == "full")
    first, last = signals.row, signals.last_row
    if plan.max_bars is not None:
        last = min(last, first + plan.max_bars)
    parts = sim_parts(signals.data, plan.settings.core, first, last)
    # Nothing may suspend but the coarse level, which writes behind the caller's back.
    threaded = plan.journal == "trades"
    with keep(plan, open_state(plan), threaded=threaded, durable=False) as kept:
        await parts.venue.open()
        if plan.journal == "full":
            # Its bars are the data itself: they are told where they are journalled.
            await parts.feed.open(signals.data.market.symbols, plan.settings.run.timeframe)
        options = TradingOptions(in_turn=True, full=plan.journal == "full")
        core = build_core(
            plan, bundle, kept, parts.venue, signals, lambda: parts.session.now_ns, options
        )  # fmt: skip
        driver = LockstepDriver(core.kernel, parts.stepper)
        yield Trader(
            plan, bundle, kept.folder, core.kernel, SteppedDrive(driver), parts.venue, parts.feed,
            kept.journal, signals, core.learning, core.stop, most_bars=last - first,
            first_ns=parts.session.now_ns, journal_name=kept.name,
        )  # fmt: skip
