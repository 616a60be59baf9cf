"""What live signals begin with: a venue's closed bars, funding and marks, and the models."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.reinforcement.manager import ReinforcementManager
from ensemble.store import load_bundle_models
from envs.core.instrument import Instrument
from envs.core.series import MarketSeries, prepare
from envs.core.types import NS_PER_SECOND
from envs.market.bars import RawSeries
from envs.market.build import build_market
from envs.market.sources import interval_ns_of
from runtime.adapters.ccxt_feed import CcxtFeed
from runtime.adapters.ccxt_history import funding_since, mark_bars
from runtime.bundle import Bundle
from runtime.settings import Settings
from runtime.signals.live import LiveSignals
from runtime.signals.live_inputs import series_of
from runtime.signals.past import FULL_BARS
from runtime.signals.voters import ModelVoter

_NS_PER_MS = 1_000_000
_SPARE_BARS = 10
_AT_ONCE = 8
"""Contracts asked about together: pages of all at once would wait behind each other too long."""


@dataclass(frozen=True)
class LiveHistory:
    """Closed bars of every contract as the venue told them, sorted by name."""

    series: tuple[RawSeries, ...]
    instruments: tuple[Instrument, ...]

    @property
    def last_ns(self) -> int:
        """Close of the last bar."""
        return max(int(r.open_ns[-1]) + r.interval_ns for r in self.series if r.open_ns.size)


async def ask_history(
    feed: CcxtFeed, instruments: Mapping[str, Instrument], symbols: Sequence[str], timeframe: str,
    bars: int = FULL_BARS + _SPARE_BARS,
) -> LiveHistory:  # fmt: skip
    """Ask an open feed's venue for the last bars, funding settled and mark prices.

    Raises:
        VenueUnavailable: It did not answer.
    """
    span_ns = interval_ns_of(timeframe)
    span_ms, names = span_ns // _NS_PER_MS, sorted(symbols)

    free = asyncio.Semaphore(_AT_ONCE)

    async def one(symbol: str) -> RawSeries:
        async with free:
            closed = await feed.history(symbol, bars)
            since_ms = closed[0].open_ms if closed else 0
            funding = await funding_since(feed.link, symbol, since_ms - 86_400_000)
            marks = await mark_bars(feed.link, symbol, timeframe, span_ms, since_ms)
        return series_of(symbol, closed, span_ns, funding, marks)

    series = await asyncio.gather(*(one(s) for s in names))
    return LiveHistory(tuple(series), tuple(instruments[s] for s in names))


def live_signals(
    bundle: Bundle, settings: Settings, history: LiveHistory, *, learning: bool
) -> LiveSignals:
    """Signals of a bundle's models on a venue's bars, not started yet.

    Raises:
        RefusedArtifact: The bundle has no models: its votes were planted in the built-in market.
        FixData: Bars or contracts that do not go together.
    """
    fitted = load_bundle_models(bundle.folder, settings.ensemble, bundle.feature_hash)
    return LiveSignals(
        history.series, history.instruments, ModelVoter(fitted), settings, bundle.manager,
        bundle.pool_line, bundle.exit_slopes,
        budget_s=settings.trading.model_deadline_ms / 1e3, learning=learning,
    )  # fmt: skip


@dataclass
class Columns:
    """Columns of a history and the manager, for learning again before signals are started."""

    data: MarketSeries
    manager: ReinforcementManager
    last_row: int = 2**40
    row: int = 0


def columns_of(history: LiveHistory, settings: Settings, manager: ReinforcementManager) -> Any:
    """``Columns`` of a history, in the place of the signals that cannot be started yet."""
    market, _ = build_market(
        history.series, history.instruments, settings=settings.market,
        default_rate=settings.core.costs.funding_rate,
    )  # fmt: skip
    return Columns(prepare(market, settings.core), manager)


def is_hour(close_ns: int) -> bool:
    """Whether funding may have been settled at this instant: at whole hours alone."""
    return close_ns % (3_600 * NS_PER_SECOND) == 0
