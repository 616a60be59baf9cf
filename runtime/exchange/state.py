"""Everything the venue knows of one account, and the contracts it trades."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from envs.core.instrument import Instrument
from envs.core.rules.booking import net_units, unrealised_quote, value_of
from envs.core.rules.lifecycle import Fees
from envs.core.rules.rounding import from_units, to_units
from envs.core.rules.sizing import Contract
from runtime.exchange.errors import NO_SUCH_ORDER, VenueError
from runtime.exchange.events import AlgoEvent, OrderEvent, VenueEvent
from runtime.exchange.holdings import Holding
from runtime.exchange.ledger import KEPT, Ledger
from runtime.exchange.orders import AlgoOrder, Order, Trade

DEFAULT_LEVERAGE = 20
_Ending = TypeVar("_Ending", Order, AlgoOrder)
_Name = TypeVar("_Name", str, tuple[str, str])


@dataclass(frozen=True)
class Listing:
    """A contract as the venue lists it; ``brackets`` (K, 3): cap, maintenance rate, amount."""

    instrument: Instrument
    contract: Contract
    brackets: Any
    max_leverage: int = 125


@dataclass
class Quote:
    """Where a symbol stands: last price in ticks, mark in float ticks, slippage of a fill now."""

    last_ticks: int
    mark_ticks: float
    slip: float


class VenueState:
    """Account, orders and quotes; the events since they were last taken.

    Orders and conditional orders are separate id spaces, as on the exchange. Of those that have
    ended at least the last ``kept`` are remembered.
    """

    def __init__(
        self, listings: dict[str, Listing], fees: Fees, start_quote: float, kept: int = KEPT
    ) -> None:
        self.listings, self.fees = listings, fees
        self.ledger = Ledger(start_quote, kept)
        self.quotes: dict[str, Quote] = {}
        self.holdings: dict[str, Holding] = {}
        self.leverage = dict.fromkeys(listings, DEFAULT_LEVERAGE)
        self.isolated = dict.fromkeys(listings, True)
        self.orders: dict[int, Order] = {}
        self.algos: dict[int, AlgoOrder] = {}
        self.events: list[VenueEvent] = []
        self.refused_children: dict[str, int] = {}
        self._open: dict[str, dict[int, Order]] = {name: {} for name in listings}
        self._waiting: dict[str, dict[int, AlgoOrder]] = {name: {} for name in listings}
        self._kept = kept
        self._last_order = self._last_algo = 0
        self._order_names: dict[tuple[str, str], int] = {}
        self._algo_names: dict[str, int] = {}

    def listing(self, symbol: str) -> Listing:
        """A contract by name.

        Raises:
            VenueError: -1121, there is none.
        """
        found = self.listings.get(symbol)
        if found is None:
            raise VenueError(-1121, "Invalid symbol.")
        return found

    def next_order_id(self) -> int:
        """Order ids count from 1."""
        return self._last_order + 1

    def next_algo_id(self) -> int:
        """Conditional orders have ids of their own."""
        return self._last_algo + 1

    def put(self, order: Order, execution: str, now_ns: int, trade: Trade | None = None) -> Order:
        """Keep an order's new state and report it."""
        self.orders[order.order_id] = order
        if order.order_id > self._last_order:
            self._last_order = order.order_id
            self._order_names[order.symbol, order.client_id] = order.order_id
            if len(self.orders) > 2 * self._kept:
                for old in _oldest_ended(self.orders, self._kept):
                    _unname(self._order_names, (old.symbol, old.client_id), old.order_id)
        if order.is_open:
            self._open[order.symbol][order.order_id] = order
        else:
            self._open[order.symbol].pop(order.order_id, None)
        self.events.append(OrderEvent(order, execution, now_ns, trade))
        return order

    def put_algo(self, algo: AlgoOrder, now_ns: int, report: bool = True) -> AlgoOrder:
        """Keep a conditional order's new state and, unless only its trail moved, report it."""
        self.algos[algo.algo_id] = algo
        if algo.algo_id > self._last_algo:
            self._last_algo = algo.algo_id
            self._algo_names[algo.client_id] = algo.algo_id
            if len(self.algos) > 2 * self._kept:
                for old in _oldest_ended(self.algos, self._kept):
                    _unname(self._algo_names, old.client_id, old.algo_id)
        if algo.is_open:
            self._waiting[algo.symbol][algo.algo_id] = algo
        else:
            self._waiting[algo.symbol].pop(algo.algo_id, None)
        if report:
            self.events.append(AlgoEvent(algo, now_ns))
        return algo

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders in order of id, of one symbol or all."""
        if symbol is not None:
            return list(self._open[symbol].values())
        found = [o for name in self._names(symbol) for o in self._open[name].values()]
        return sorted(found, key=lambda o: o.order_id)

    def open_algos(self, symbol: str | None = None) -> list[AlgoOrder]:
        """Conditional orders that wait for their trigger, in order of id."""
        if symbol is not None:
            return list(self._waiting[symbol].values())
        found = [a for name in self._names(symbol) for a in self._waiting[name].values()]
        return sorted(found, key=lambda a: a.algo_id)

    def has_business(self, symbol: str | None = None) -> bool:
        """Whether a symbol, or any, has a position or an order of either kind that is open."""
        if symbol is not None:
            return symbol in self.holdings or bool(self._open[symbol] or self._waiting[symbol])
        return bool(self.holdings) or any(self._open.values()) or any(self._waiting.values())

    def find_order(
        self, symbol: str, order_id: int | None, client_id: str | None, code: int = NO_SUCH_ORDER
    ) -> Order:
        """Find an order by id or by client id (the newest of that name).

        Raises:
            VenueError: ``code``, there is none.
        """
        text = "Unknown order sent." if code != NO_SUCH_ORDER else "Order does not exist."
        if order_id is None and client_id is not None:
            order_id = self._order_names.get((symbol, client_id))
        order = self.orders.get(order_id or 0)
        if order is not None and order.symbol == symbol:
            return order
        raise VenueError(code, text)

    def find_algo(
        self, algo_id: int | None, client_id: str | None, code: int = NO_SUCH_ORDER
    ) -> AlgoOrder:
        """Find a conditional order by id or client id.

        Raises:
            VenueError: ``code``, there is none.
        """
        text = "Unknown order sent." if code != NO_SUCH_ORDER else "Order does not exist."
        found = self.algos.get(algo_id or 0)
        if found is None and client_id is not None:
            found = self.algos.get(self._algo_names.get(client_id, 0))
        if found is not None:
            return found
        raise VenueError(code, text)

    def take_events(self) -> list[VenueEvent]:
        """Events since the last call, in order."""
        out, self.events = self.events, []
        return out

    def unrealised_quote(self, symbol: str | None = None) -> float:
        """Unrealised profit at mark, of one symbol or all, in symbol order."""
        total = 0.0
        for name in sorted(self.holdings):
            if symbol in (None, name):
                held = self.holdings[name]
                contract = self.listings[name].contract
                mark = self.quotes[name].mark_ticks
                total += unrealised_quote(held.side, held.book, mark, contract)
        return total

    def equity_quote(self) -> float:
        """Wallet plus unrealised profit."""
        return from_units(self.ledger.wallet_units) + self.unrealised_quote()

    def margin_units(self, without: str = "") -> int:
        """Isolated margin of all positions but one."""
        return sum(h.book.margin for name, h in self.holdings.items() if name != without)

    def reserved_units(self) -> int:
        """Initial margin that resting orders hold back."""
        return sum(self.reserved_by(order) for order in self.open_orders())

    def reserved_by(self, order: Order) -> int:
        """Initial margin one open order holds back; a reduce-only one holds none."""
        if order.reduce_only:
            return 0
        contract = self.listings[order.symbol].contract
        price = order.price_ticks or self.quotes[order.symbol].last_ticks
        return to_units(value_of(price, order.left_steps, contract) / self.leverage[order.symbol])

    def available_units(self) -> int:
        """Free wallet: without isolated margins and reservations; their losses stay theirs."""
        return self.ledger.wallet_units - self.margin_units() - self.reserved_units()

    def spare_units(self, symbol: str) -> int:
        """Wallet without a position's own results and the margin of the others."""
        own = net_units(self.holdings[symbol].book)
        return self.ledger.wallet_units - own - self.margin_units(symbol)

    def _names(self, symbol: str | None) -> Iterator[str]:
        return iter(self.listings if symbol is None else (symbol,))


def _oldest_ended(orders: dict[int, _Ending], n: int) -> list[_Ending]:
    """Take the oldest ``n`` that have ended out of a table."""
    ended = [i for i, o in orders.items() if not o.is_open][:n]
    return [orders.pop(i) for i in ended]


def _unname(names: dict[_Name, int], name: _Name, id_: int) -> None:
    """Forget a name unless a later order bears it."""
    if names.get(name) == id_:
        del names[name]
