"""A market in this process, without a network: for full-system backtests."""

from __future__ import annotations

from dataclasses import dataclass

from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from runtime.adapters.sim_feed import SimFeed
from runtime.adapters.sim_venue import SimVenue
from runtime.driving.steps import CLOSE, Step
from runtime.exchange.clock import SystemClock
from runtime.exchange.market import ExchangeMarket
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import LOCKSTEP, ExchangeSettings


class SimStepper:
    """``Stepper`` on an exchange session of this process.

    Args:
        session: in lockstep, without a journal.
        venue, feed: told of every step before ``advance`` returns.
    """

    def __init__(self, session: ExchangeSession, venue: SimVenue, feed: SimFeed) -> None:
        self.session, self.venue, self.feed = session, venue, feed

    @property
    def ended(self) -> bool:
        """Whether there is no next vertex."""
        return self.session.ended

    async def begin(self) -> Step:
        """Where the exchange stands."""
        return self._step()

    async def advance(self) -> Step:
        """Go on by a vertex, or to the next close while nothing is open.

        Raises:
            FixInput: The market has ended.
        """
        self.session.glide()
        await self.venue.reconcile()
        return self._step()

    def _step(self) -> Step:
        session = self.session
        index = session.point.vertex
        bars = self.feed.take_bars() if index == CLOSE else ()
        return Step(index, session.now_ns, self.venue.quotes(), bars, session.ended)


@dataclass(frozen=True)
class SimParts:
    """A simulated exchange with its ports."""

    session: ExchangeSession
    venue: SimVenue
    feed: SimFeed
    stepper: SimStepper


def sim_parts(
    data: MarketSeries, settings: CoreSettings, first_row: int, last_row: int | None = None,
    start_quote: float | None = None,
) -> SimParts:  # fmt: skip
    """An exchange on prepared columns that stands at the close of ``first_row``.

    ``last_row`` ends the market (None: with the data); ``start_quote`` is the wallet, None
    ``settings.start_equity_quote``.

    Raises:
        FixData: The rows leave no bar to trade.
    """
    quote = settings.start_equity_quote if start_quote is None else start_quote
    market = ExchangeMarket(data, first_row, last_row=last_row)
    wanted = ExchangeSettings(
        symbols=data.market.symbols, speed=LOCKSTEP, core=settings, start_quote=quote
    )
    session = ExchangeSession(wanted, market, SystemClock(), None)
    venue, feed = SimVenue(session), SimFeed(session)
    return SimParts(session, venue, feed, SimStepper(session, venue, feed))
