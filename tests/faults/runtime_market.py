"""A hand-made market that moves a lot: every few bars a stop or a target is met."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from envs.core.market_data import MarketData
from envs.core.series import MarketSeries, prepare
from envs.core.settings import CoreSettings
from envs.core.types import NS_PER_SECOND
from runtime.exchange.market import ExchangeMarket
from tests.unit.runtime.exchange.cases import FLAT, START_NS, Bar, data_of

SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT")
ATR_TICKS = 100
"""One ATR: a hundred ticks of .01, one per cent of the first price."""
_LOWEST = 6_000


def core_settings(**costs: float) -> CoreSettings:
    """Rules with room: no ladder stops a test that loses on purpose, no cool-down."""
    core = CoreSettings()
    return replace(
        core,
        costs=replace(core.costs, **costs),
        risk=replace(core.risk, dd_warning=0.7, dd_stop=0.8, max_daily_dd=0.9, max_open_dd=0.9),
        ess=replace(core.ess, max_total_dd=0.95, max_stops_15m=1_000),
        entry=replace(core.entry, cooldown_s=0),
    )  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """How a market is made.

    ``reach_atr`` is how far a bar goes from its open, in ATRs; ``stamps_every`` bars there is a
    funding settlement, never with 0. ``volume`` in base units a bar: what a book is made of.
    """

    seed: int = 0
    bars: int = 80
    interval_s: int = 60
    symbols: tuple[str, ...] = SYMBOLS
    reach_atr: float = 1.6
    stamps_every: int = 7
    first_row: int = 3
    volume: float = 1e6


def data_for(shape: Shape) -> MarketData:
    """Bars of all symbols: a walk whose bars reach ``reach_atr`` from their open."""
    rng = np.random.default_rng([shape.seed, 0xBA5])
    bars = {name: _walk(rng, shape) for name in shape.symbols}
    every = shape.stamps_every
    stamps = {row: 1e-4 for row in range(every, shape.bars, every)} if every else {}
    return clocked(data_of(bars, stamps=stamps, volume=shape.volume), shape.interval_s)


def still(shape: Shape) -> MarketData:
    """The same contracts in a market that stands still at 100; faults alone move its price."""
    bars = {name: [FLAT] * shape.bars for name in shape.symbols}
    return clocked(data_of(bars, volume=1e6), shape.interval_s)


def clocked(data: MarketData, interval_s: int) -> MarketData:
    """A market with another bar length, one ATR of a hundred ticks, and known states."""
    span = interval_s * NS_PER_SECOND
    close = np.where(data.close_ticks > 0, data.close_ticks, 1) * 0.01
    atr = np.full(close.shape, ATR_TICKS * 0.01)
    return replace(
        data, interval_ns=span, atr=atr, atr_frac=atr / close,
        close_ns=START_NS + span * np.arange(1, data.n_bars + 1, dtype=np.int64),
    )  # fmt: skip


def market_for(data: MarketData, core: CoreSettings, first_row: int, tick_s: float = 0.25
               ) -> ExchangeMarket:  # fmt: skip
    """The market as an exchange replays it."""
    return ExchangeMarket(prepare(data, core), first_row, tick_s)


def series_for(data: MarketData, core: CoreSettings) -> MarketSeries:
    """The same market as the runtime's rules read it."""
    return prepare(data, core)


def _walk(rng: np.random.Generator, shape: Shape) -> list[Bar]:
    price, reach, out = 10_000, shape.reach_atr * ATR_TICKS, []
    for _ in range(shape.bars):
        steps = rng.normal(0.0, 0.6 * reach, 3)
        ends = [price, *(int(max(_LOWEST, price + x)) for x in steps)]
        high, low, close = max(ends), min(ends), ends[-1]
        out.append((price, high, low, close))
        price = max(_LOWEST, close + int(rng.normal(0.0, 0.05 * reach)))
    return out
