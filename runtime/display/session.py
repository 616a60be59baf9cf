"""One run from start to summary: signals of the system, the view, and the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from runtime.display import alarm_log
from runtime.display.reading import Reader
from runtime.display.snapshot import Snapshot
from runtime.display.summary import Ending, summary
from runtime.display.views import ScreenView, View, is_plain, view_of
from runtime.display.watcher import Watcher
from runtime.display.words import utc
from runtime.logs import log_path, start_logging
from runtime.masking import password_in, secrets_in
from runtime.wiring.heartbeat import Heartbeat
from runtime.wiring.opening import open_trader
from runtime.wiring.plan import TradePlan
from runtime.wiring.trader import Ended, Trader

EXIT_INTERRUPTED = 130
_TICK_S = 0.5


async def trade_with_view(
    plan: TradePlan, view: str, typed: str = "", console: Console | None = None
) -> int:
    """Open, trade, show and sum up; 0 done, 130 after Ctrl-C."""
    console = console or Console()
    trading = plan.settings.trading
    path = log_path(trading.log_path, plan.state)
    # Lines would tear a screen apart; the file has them in any case.
    lines = is_plain(view, console)
    async with AsyncExitStack() as stack:
        stack.enter_context(
            start_logging(
                path, level=trading.log_level,
                secrets=(*secrets_in(os.environ), password_in(plan.database_url)), console=console,
                terminal=lines,
            )
        )  # fmt: skip
        with console.status("opening venue, journal and signals ..."):
            trader = await stack.enter_async_context(open_trader(plan, typed))
        trader.files.append(("log", path))
        return await _trade(trader, view, console)


async def _trade(trader: Trader, view_name: str, console: Console) -> int:
    account = trader.kernel.context.books.account
    watcher = Watcher(trader.bundle.table.preset, account.equity_quote)
    reader = Reader(trader, watcher)
    trader.kernel.observe(watcher, watcher.kinds)
    trader.kernel.observe(alarm_log.log_alarm, alarm_log.KINDS)
    asked = Asked(trader)
    began_s = time.monotonic()
    view = view_of(view_name, trader, reader, console)
    trader.kernel.observe(view, view.kinds)
    heart = Heartbeat(trader.folder.path, lambda: told_of(trader, watcher))
    with asked.listening(), view, heart.beating():
        ticking = asyncio.create_task(_tick(view))
        try:
            ended = await trader.run()
        finally:
            ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking
    seconds = time.monotonic() - began_s
    shot = reader.take(digest=True)
    console.print(summary(shot, ending_of(trader, shot, ended, seconds, watcher.alarm_count)))
    return EXIT_INTERRUPTED if asked.by_hand else 0


def told_of(trader: Trader, watcher: Watcher) -> dict[str, Any]:
    """What the heartbeat says besides that it beats."""
    context = trader.kernel.context
    return {
        "market": utc(context.now_ns), "bars": watcher.bars, "trades": context.closed_trades,
        "positions": len(context.books.account.positions), "gate": trader.emergency.state_name,
        "alarms": watcher.alarm_count,
    }  # fmt: skip


async def _tick(view: View) -> None:
    """Refresh the screen between events; a simulation never lets this run, and needs none."""
    while isinstance(view, ScreenView):
        view.refresh()
        await asyncio.sleep(_TICK_S)


class Asked:
    """Turns SIGINT and SIGTERM into an end in order; the second SIGINT ends at once.

    Attributes:
        by_hand: whether SIGINT came.
    """

    def __init__(self, trader: Trader) -> None:
        self._trader = trader
        self.by_hand = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for the time of a run (main thread only, as Python hands signals to no other)."""
        loop = asyncio.get_running_loop()

        def heard(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGINT and self.by_hand:
                raise KeyboardInterrupt
            self.by_hand |= number == signal.SIGINT
            # At once for a simulation, whose loop never rests; the loop is woken for the others.
            self._trader.stop()
            loop.call_soon_threadsafe(lambda: None)

        try:
            before = {n: signal.signal(n, heard) for n in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:
            yield
            return
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def ending_of(
    trader: Trader, shot: Snapshot, ended: Ended, seconds: float, alarms: int = 0
) -> Ending:
    """What the summary adds to the snapshot."""
    plan = trader.plan
    notes = []
    if plan.settings.run.is_synthetic and plan.venue in ("sim", "local"):
        notes.append(
            "The built-in market has an edge planted in it: a profit here says that the programs "
            "work together, nothing about a real market."
        )
    notes += _left_notes(trader, shot, ended)
    if trader.emergency.state_name != "ARMED":
        stands = trader.emergency.state_name.lower().replace("_", " ")
        notes.append(f"The emergency stop is {stands}: python -m runtime ess status --state "
                     f"{trader.folder.path}")  # fmt: skip
    if alarms:
        notes.append(f"{alarms} times something asked for ATTENTION: see the log.")
    refused = trader.learning.learner.refused
    if refused:
        notes.append(f"{refused} rows were NOT LEARNED by one of the agents: see the log.")
    if not plan.learn:
        notes.append("Learning was off (--no-learn).")
    rate = shot.bars / seconds if plan.venue == "sim" and seconds > 0.0 else 0.0
    files: list[tuple[str, Path | str]] = [
        ("journal", trader.journal_name),
        ("agents as they are now", trader.folder.checkpoints),
        ("settings, commands, run", trader.folder.path),
        *trader.files,
    ]
    return Ending(ended.value, seconds, trader.first_ns, rate, notes, files)


def _left_notes(trader: Trader, shot: Snapshot, ended: Ended) -> list[str]:
    """What became of open positions, and by which setting."""
    early = ended is not Ended.DATA and trader.plan.venue != "sim"
    why = f" (--on-exit {trader.plan.on_exit})" if early else ""
    if not shot.positions:
        return [f"No position is open{why}."]
    names = ", ".join(p.symbol for p in shot.positions)
    bare = [p.symbol for p in shot.positions if not p.safe]
    if bare:
        return [f"NOT PROTECTED by a confirmed stop: {', '.join(bare)}. Look at the venue now."]
    wanted = "could not all be closed" if trader.plan.on_exit == "flatten" else "were left open"
    return [f"{names} {wanted}{why}; their stops rest at the venue. The same command goes on."]
