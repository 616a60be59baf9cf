"""First aid over the wire, and that nothing heavy is loaded before it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from runtime.adapters.ccxt_factory import make_exchange
from runtime.exchange.commands import CancelAlgo
from runtime.exchange.orders import OrderType
from runtime.journal.sql_journal import SqlJournal
from runtime.store.database import open_database
from runtime.store.sql_store import SqlStore
from runtime.wiring.first_aid import aid
from tests.faults.runtime_market import Shape
from tests.faults.runtime_parts import Plan
from tests.faults.runtime_rig import Venue, run, runtime_on, venue_for

HEAVY = ("numba", "scipy", "torch", "sklearn", "lightgbm", "xgboost", "pandas", "runtime.kernel",
         "runtime.signals.live", "runtime.learning.learning")  # fmt: skip


async def aided(venue: Venue) -> tuple[str, ...]:
    """What the next process does before it loads anything else."""
    database = open_database(f"sqlite:///{venue.plan.folder / 'journal.db'}", create=False)
    try:
        journal, store = SqlJournal(database), SqlStore(database)
        rest = venue.exchange.addresses.rest
        return await aid(lambda: make_exchange("local", url=rest), journal, store)
    finally:
        database.close()


def stops_of(venue: Venue, symbol: str) -> list[str]:
    algos = venue.session.state.open_algos(symbol)
    return [a.client_id for a in algos if a.type is OrderType.STOP_MARKET]


def test_a_stop_that_went_while_nobody_lived_is_back_before_the_start(tmp_path: Path) -> None:
    async def work() -> None:
        async with venue_for(Plan(tmp_path, Shape(bars=10))) as venue:
            async with runtime_on(venue) as first:
                await first.bar(2)
            symbol = next(s for s, h in venue.session.state.holdings.items() if h.book.qty)
            held = venue.held(symbol)
            [old] = stops_of(venue, symbol)
            await venue.session.submit(CancelAlgo(symbol, client_id=old))
            assert await aided(venue) == (symbol,)
            [new] = stops_of(venue, symbol)
            assert new != old
            assert await aided(venue) == ()
            async with runtime_on(venue) as again:
                assert stops_of(venue, symbol) == [new]
                assert venue.held(symbol) == held
                await again.finish()
                await again.verify()

    run(work(), 240.0)


def test_a_new_journal_needs_no_first_aid(tmp_path: Path) -> None:
    async def work() -> None:
        async with venue_for(Plan(tmp_path)) as venue:
            open_database(f"sqlite:///{tmp_path / 'journal.db'}").close()
            assert await aided(venue) == ()

    run(work(), 240.0)


def test_nothing_heavy_is_loaded_before_it() -> None:
    told = "import runtime.trade_cli, runtime.wiring.first_aid, sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    loaded = set(found.stdout.split())
    assert "runtime.trading.first_stops" in loaded
    assert not [name for name in HEAVY if name in loaded]
