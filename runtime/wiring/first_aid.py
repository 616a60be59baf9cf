"""Before anything that takes long is loaded: what a crash left without a stop gets one.

Models, history, features and compiled rules take many seconds; a position that filled in the last
moment before a crash must not wait for them. This module loads the journal and the venue alone.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from runtime.adapters.ccxt_factory import make_exchange
from runtime.adapters.ccxt_venue import CcxtVenue
from runtime.adapters.host_guard import Mode
from runtime.journal.sql_journal import SqlJournal
from runtime.logs import log_path, start_logging
from runtime.masking import password_in, secrets_in
from runtime.port_errors import VenueRefused, VenueUnavailable
from runtime.ports import Store
from runtime.trading.first_stops import first_stops
from runtime.wiring.keeping import keep
from runtime.wiring.keys import keys_for
from runtime.wiring.plan import TradePlan
from runtime.wiring.state_folder import open_state

_LOG = logging.getLogger(__name__)


async def first_aid(plan: TradePlan, typed: str = "") -> tuple[str, ...]:
    """Protect what the state of ``plan`` holds, where a venue went on without us.

    Nothing happens for a new state, a simulation, and an exchange that this program starts itself,
    whose market stood still meanwhile. Returns the contracts for which something was sent.

    Raises:
        FixInput: The state, its lock or the keys: what the start itself would refuse.
    """
    if plan.venue not in ("demo", "live") and not plan.exchange_url:
        return ()
    folder = open_state(plan)
    if not folder.resumed:
        return ()
    trading = plan.settings.trading
    secrets = (*secrets_in(os.environ), password_in(plan.database_url))
    path = log_path(trading.log_path, plan.state)
    with (
        start_logging(path, level=trading.log_level, secrets=secrets, terminal=True),
        keep(plan, folder, noted=False) as kept,
    ):
        return await aid(lambda: _client(plan, typed), kept.journal, kept.store)


async def aid(client: Any, journal: SqlJournal, store: Store) -> tuple[str, ...]:
    """The same with a journal and a store that are open; ``client`` makes a client when needed.

    A venue that does not answer is left to the start, which says what is wrong.
    """
    state = await journal.last_state()
    if state is None or not state["books"]["tickets"]:
        return ()
    books = state["books"]
    symbols = [books["symbols"][int(s)] for s in books["tickets"]]
    venue = CcxtVenue(client(), store, symbols)
    try:
        await venue.open()
        return await first_stops(books, venue, store)
    except (VenueUnavailable, VenueRefused) as error:
        _LOG.warning("first aid: %s", error)
        return ()
    finally:
        await venue.close()


def _client(plan: TradePlan, typed: str) -> Any:
    if plan.venue == "local":
        return make_exchange("local", url=plan.exchange_url)
    mode: Mode = "live" if plan.venue == "live" else "demo"
    allowed = os.environ.get("QT_ALLOW_LIVE", "")
    return make_exchange(
        mode, keys=keys_for(plan.venue, os.environ), allow_live=allowed, typed=typed
    )
