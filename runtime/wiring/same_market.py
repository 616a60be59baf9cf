"""Whether an exchange that was running already is the one a run on known bars can trade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from envs.core.errors import FixData
from envs.core.series import MarketSeries
from runtime.port_errors import VenueUnavailable
from runtime.port_market import Bar
from runtime.signals.bar_ticks import NS_PER_MS, ticks_of


class Past(Protocol):
    """A feed that tells closed bars."""

    async def history(self, symbol: str, bars: int) -> tuple[Bar, ...]:
        """The last closed bars, oldest first."""
        ...


def require_period(now_ns: int, start_ns: int, url: str) -> None:
    """Refuse a market that has not come to the close after which the run may decide.

    Raises:
        FixData: It stands before: what would be decided there belongs to another time.
        VenueUnavailable: It tells no time.
    """
    if now_ns <= 0:
        raise VenueUnavailable(f"--exchange-url {url}: no price came, so its time is not known")
    if now_ns < start_ns:
        raise FixData(
            f"--exchange-url {url}: its market stands at {_utc(now_ns)}, before the first decision "
            f"of this run at {_utc(start_ns)}: start that exchange with --start {_utc(start_ns)}"
        )


async def require_same_market(feed: Past, data: MarketSeries, url: str) -> None:
    """Refuse a market whose last closed bars are not those of the data.

    Raises:
        FixData: Another market, of another seed or folder for instance.
        VenueUnavailable: It does not tell its bars.
    """
    for s, symbol in enumerate(data.market.symbols):
        if not _agree(data, s, await feed.history(symbol, 1)):
            raise FixData(
                f"--exchange-url {url}: {symbol}: its bars are not those this run was asked to "
                "trade: start that exchange with the bundle's config.toml as --config, or give "
                "--data and --seed as it has them"
            )


def _agree(data: MarketSeries, s: int, bars: Sequence[Bar]) -> bool:
    market = data.market
    for bar in bars:
        row = int(np.searchsorted(market.close_ns, bar.close_ms * NS_PER_MS))
        if row >= market.n_bars or int(market.close_ns[row]) != bar.close_ms * NS_PER_MS:
            return False
        try:
            found = ticks_of(bar, market.instruments[s])
        except FixData:
            return False
        if found != tuple(data.bars[s][row]):
            return False
    return True


def _utc(ns: int) -> str:
    return f"{np.datetime64(ns, 'ns').astype('datetime64[s]')}Z"
