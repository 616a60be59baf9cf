"""What the venue tells its user stream, in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.exchange.orders import AlgoOrder, Order, Trade


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """An order changed: ``execution`` NEW, TRADE, CANCELED, EXPIRED, AMENDMENT or CALCULATED."""

    order: Order
    execution: str
    time_ns: int
    trade: Trade | None = None


@dataclass(frozen=True, slots=True)
class AlgoEvent:
    """A conditional order changed."""

    algo: AlgoOrder
    time_ns: int


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """Wallet or positions changed: ``reason`` ORDER, FUNDING_FEE, ..., ``symbols`` touched."""

    reason: str
    symbols: tuple[str, ...]
    time_ns: int


@dataclass(frozen=True, slots=True)
class ConfigEvent:
    """Leverage or margin type of a symbol changed."""

    symbol: str
    time_ns: int


VenueEvent = OrderEvent | AlgoEvent | AccountEvent | ConfigEvent
