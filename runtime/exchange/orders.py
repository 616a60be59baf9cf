"""Orders, conditional orders, trades and income of the venue; prices in ticks, amounts in units.

Prices are unsigned ticks, quantities steps, money int64 units of 1e-8 quote, times market
nanoseconds. Orders are replaced, never changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from envs.core.quick import quick

BUY, SELL = 1, -1


class OrderType(StrEnum):
    """Kinds of order; the conditional ones live behind the algo endpoints."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    STOP = "STOP"
    TAKE_PROFIT = "TAKE_PROFIT"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"
    LIQUIDATION = "LIQUIDATION"


CONDITIONAL = frozenset(
    {
        OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET, OrderType.STOP,
        OrderType.TAKE_PROFIT, OrderType.TRAILING_STOP_MARKET,
    }
)  # fmt: skip
WITH_LIMIT = frozenset({OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT})


class TimeInForce(StrEnum):
    """How long an order rests; GTX is post-only."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"


class OrderStatus(StrEnum):
    """State of an order on the wire."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


class AlgoStatus(StrEnum):
    """State of a conditional order on the wire."""

    NEW = "NEW"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


OPEN = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})


@quick
@dataclass(frozen=True)
class Order:
    """An order of the venue.

    ``price_ticks`` is 0 for market orders; ``filled_units`` the quote value filled so far;
    ``algo_id`` the conditional order it comes from, 0 without; ``original_type`` names that kind.
    """

    order_id: int
    client_id: str
    symbol: str
    side: int
    type: OrderType
    time_in_force: TimeInForce
    qty_steps: int
    price_ticks: int
    reduce_only: bool
    close_position: bool
    status: OrderStatus
    filled_steps: int
    filled_units: int
    created_ns: int
    updated_ns: int
    algo_id: int = 0
    original_type: OrderType = OrderType.MARKET

    @property
    def left_steps(self) -> int:
        """Steps not filled yet."""
        return self.qty_steps - self.filled_steps

    @property
    def is_open(self) -> bool:
        """Whether the order can still fill."""
        return self.status in OPEN


@quick
@dataclass(frozen=True)
class AlgoOrder:
    """A conditional order: waits for its trigger, then sends a child order.

    ``trigger_ticks`` of a trailing stop is 0 until it is activated; ``extreme_ticks`` is the best
    price since, 0 before. ``callback_frac`` is a fraction of price. ``on_mark`` watches the mark
    price instead of the last. ``child_id`` is the child order's id, 0 before the trigger.
    """

    algo_id: int
    client_id: str
    symbol: str
    side: int
    type: OrderType
    time_in_force: TimeInForce
    qty_steps: int
    trigger_ticks: int
    price_ticks: int
    reduce_only: bool
    close_position: bool
    on_mark: bool
    price_protect: bool
    callback_frac: float
    activation_ticks: int
    extreme_ticks: int
    status: AlgoStatus
    created_ns: int
    updated_ns: int
    child_id: int = 0
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the trigger is still awaited."""
        return self.status is AlgoStatus.NEW

    @property
    def fires_below(self) -> bool:
        """Whether a falling price triggers it: sell stops and buy take-profits."""
        takes_profit = self.type in (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_MARKET)
        return (self.side == SELL) != takes_profit


@quick
@dataclass(frozen=True)
class Trade:
    """One fill of an order; ``realised_units`` is the gross result of what it closed."""

    trade_id: int
    order_id: int
    symbol: str
    side: int
    price_ticks: int
    qty_steps: int
    quote_units: int
    fee_units: int
    realised_units: int
    maker: bool
    time_ns: int


class IncomeType(StrEnum):
    """Kinds of the income history."""

    REALIZED_PNL = "REALIZED_PNL"
    COMMISSION = "COMMISSION"
    FUNDING_FEE = "FUNDING_FEE"
    INSURANCE_CLEAR = "INSURANCE_CLEAR"
    TRANSFER = "TRANSFER"


@quick
@dataclass(frozen=True)
class Income:
    """One change of the wallet; they sum to wallet minus start, exactly."""

    income_id: int
    type: IncomeType
    symbol: str
    units: int
    time_ns: int
    trade_id: int = 0
    info: str = ""


@quick
@dataclass(frozen=True)
class OrderRequest:
    """An order asked for, already parsed to ticks and steps and through the filters."""

    client_id: str
    symbol: str
    side: int
    type: OrderType
    qty_steps: int
    price_ticks: int = 0
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False


@quick
@dataclass(frozen=True)
class AlgoRequest:
    """A conditional order asked for; ``qty_steps`` is 0 with ``close_position``."""

    client_id: str
    symbol: str
    side: int
    type: OrderType
    qty_steps: int
    trigger_ticks: int = 0
    price_ticks: int = 0
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    close_position: bool = False
    on_mark: bool = False
    price_protect: bool = False
    callback_frac: float = 0.0
    activation_ticks: int = 0
