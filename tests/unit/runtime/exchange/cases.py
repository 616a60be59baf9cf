"""Small markets with known prices, engines on them and a clock that tests own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from envs.core.instrument import Instrument
from envs.core.market_data import MarketData
from envs.core.series import fees_of, prepare
from envs.core.settings import CoreSettings
from envs.core.types import NS_PER_HOUR
from runtime.exchange.engine import Engine
from runtime.exchange.market import ExchangeMarket
from runtime.exchange.orders import AlgoRequest, OrderRequest, OrderType, TimeInForce
from runtime.exchange.state import VenueState

START_NS = 1_577_836_800 * 10**9
Bar = tuple[int, int, int, int]
FLAT: Bar = (10_000, 10_000, 10_000, 10_000)
CALM = replace(
    CoreSettings(), costs=replace(CoreSettings().costs, slippage_min_bps=0.0, slippage_max_bps=0.0)
)
"""No slippage: fills are at the reference price."""


def data_of(
    bars: dict[str, Sequence[Bar | None]], *, stamps: dict[int, float] | None = None,
    mark: dict[int, Bar] | None = None, volume: float = 1_000.0,
) -> MarketData:  # fmt: skip
    """Bars in ticks of .01 by symbol; None is a gap; ``mark`` replaces the first symbol's rows."""
    names = tuple(sorted(bars))
    n = len(bars[names[0]])
    shape = (n, len(names))
    columns = [np.zeros(shape, dtype=np.int64) for _ in range(4)]
    valid = np.zeros(shape, dtype=np.bool_)
    for s, name in enumerate(names):
        for t, bar in enumerate(bars[name]):
            if bar is not None:
                valid[t, s] = True
                for column, value in zip(columns, bar, strict=True):
                    column[t, s] = value
    o, h, low, c = columns
    marks = np.stack(columns, axis=2) * 0.01
    for row, given in (mark or {}).items():
        marks[row, 0] = np.array(given) * 0.01
    stamp = np.zeros(shape, dtype=np.bool_)
    rate = np.zeros(shape)
    for row, value in (stamps or {}).items():
        stamp[row], rate[row] = True, value
    some = np.full(shape, 0.01)
    codes = np.zeros(shape, dtype=np.int8)
    return MarketData(
        names, tuple(Instrument.of(x, "0.01", "0.001") for x in names), NS_PER_HOUR,
        START_NS + NS_PER_HOUR * np.arange(1, n + 1, dtype=np.int64), o, h, low, c,
        np.where(valid, volume, 0.0), valid, marks, np.full(len(names), mark is not None), rate,
        stamp, some, some, codes, codes, codes, np.zeros((*shape, 1)), ("x",), "hash", valid,
    )  # fmt: skip


def market_of(
    bars: dict[str, Sequence[Bar | None]], *, first_row: int = 0, tick_s: float = 1.0,
    core: CoreSettings = CALM, stamps: dict[int, float] | None = None,
    mark: dict[int, Bar] | None = None, volume: float = 1_000.0,
) -> ExchangeMarket:  # fmt: skip
    """A market ready to replay."""
    data = data_of(bars, stamps=stamps, mark=mark, volume=volume)
    return ExchangeMarket(prepare(data, core), first_row, tick_s)


def engine_of(
    market: ExchangeMarket, start_quote: float = 10_000.0, core: CoreSettings = CALM
) -> Engine:
    """An engine with an empty account; quotes come with a ``MarketWalk``."""
    return Engine(VenueState(market.listings(), fees_of(core), start_quote))


def market_order(
    side: int, qty: int, name: str = "m", symbol: str = "A", reduce_only: bool = False
) -> OrderRequest:
    """A market order."""
    return OrderRequest(name, symbol, side, OrderType.MARKET, qty, reduce_only=reduce_only)


def limit_order(
    side: int, qty: int, price: int, name: str = "l", symbol: str = "A",
    force: TimeInForce = TimeInForce.GTC, reduce_only: bool = False,
) -> OrderRequest:  # fmt: skip
    """A limit order."""
    return OrderRequest(name, symbol, side, OrderType.LIMIT, qty, price, force, reduce_only)


def stop_order(
    side: int, qty: int, trigger: int, name: str = "s", symbol: str = "A",
    type_: OrderType = OrderType.STOP_MARKET, reduce_only: bool = True, **more: object,
) -> AlgoRequest:  # fmt: skip
    """A conditional order, reduce-only unless said otherwise."""
    base = AlgoRequest(name, symbol, side, type_, qty, trigger, reduce_only=reduce_only)
    return replace(base, **more)  # type: ignore[arg-type]


def digest(state: VenueState) -> str:
    """Hash of the whole account."""
    ledger = state.ledger
    whole = (
        ledger.wallet_units, list(state.orders.values()), list(state.algos.values()),
        list(ledger.trades), list(ledger.income), sorted(state.holdings.items()),
        sorted(state.leverage.items()), sorted(state.isolated.items()),
    )  # fmt: skip
    return hashlib.sha256(repr(whole).encode()).hexdigest()


class ManualClock:
    """A clock that moves only while somebody sleeps on it."""

    def __init__(self, now_s: float = 1_000.0) -> None:
        self.now_s = now_s

    def now_ms(self) -> int:
        return int(self.now_s * 1e3)

    def monotonic_s(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)
