"""The account as the venue's fills make it: positions, cash, ledger, closed trades.

Every number is booked by the core's rules from the venue's own price and quantity; where the venue
states another amount than the rules come to, the venue's stands.
"""

from __future__ import annotations

from collections.abc import Mapping

from envs.core.account import Account
from envs.core.events import EntryKind, LedgerEntry
from envs.core.position import Position
from envs.core.rules.booking import (
    Book,
    add_book,
    book_funding,
    close_book,
    liquidate_book,
    net_units,
    open_book,
    price_of,
    tier_of,
    value_of,
)
from envs.core.rules.booking import Fill as ClosingFill
from envs.core.rules.exits import STOP_INITIAL, initial_levels
from envs.core.rules.fills import exit_fill
from envs.core.rules.lifecycle import Guard, after_event, first_guard
from envs.core.rules.path import LIQUIDATION, PARTIAL, TARGET
from envs.core.rules.walk import STYLE_POST_ONLY
from envs.core.series import MarketSeries
from envs.core.trade import ClosedTrade
from runtime.kernel_ports import Quote
from runtime.port_values import Fill
from runtime.trading.tickets import Ticket

NS_PER_MS = 1_000_000


class Books:
    """Positions and cash of one account.

    Attributes:
        account: the core's account; its ledger names every change of cash.
        tickets: by symbol index, what is under way.
        quotes: last prices by symbol.
        seen: trade ids booked since a contract was last flat, and ``floor`` the last before that.
    """

    def __init__(self, account: Account, symbols: tuple[str, ...]) -> None:
        self.account, self.symbols = account, symbols
        self._index = {name: s for s, name in enumerate(symbols)}
        self.tickets: dict[int, Ticket] = {}
        self.quotes: dict[str, Quote] = {}
        self.seen: dict[str, set[int]] = {name: set() for name in symbols}
        self.floor: dict[str, int] = dict.fromkeys(symbols, 0)

    def set_quotes(self, quotes: Mapping[str, Quote]) -> None:
        """Take over where the contracts stand; marks value the account."""
        self.quotes.update(quotes)
        marks, index = self.account.marks, self._index
        for symbol, quote in quotes.items():
            marks[index[symbol]] = quote.mark_ticks

    def knows(self, fill: Fill) -> bool:
        """Whether a fill was booked before, or is of a contract that is not traded."""
        if fill.symbol not in self.floor:
            return True
        return fill.trade_id <= self.floor[fill.symbol] or fill.trade_id in self.seen[fill.symbol]

    def is_new(self, fill: Fill) -> bool:
        """Whether a fill was not booked before; notes it."""
        if self.knows(fill):
            return False
        self.seen[fill.symbol].add(fill.trade_id)
        return True

    def open(self, s: int, fill: Fill, data: MarketSeries, slip: float) -> Position:
        """Book a fill of an entry: a new position, or more of one that is still being entered."""
        ticket, contract = self.tickets[s], data.contracts[s]
        order, side, now_ns = ticket.order, ticket.order.side, fill.time_ms * NS_PER_MS
        held = self.account.positions.get(s)
        signed = side * fill.price_ticks
        ref = self._entry_ref(ticket, fill)
        notional = value_of(fill.price_ticks, fill.qty_steps, contract)
        tier = tier_of(notional, data.brackets[s])
        rate = data.fees.maker if order.style == STYLE_POST_ONLY else data.fees.taker
        new = open_book(side, ref, signed, fill.qty_steps, order.leverage, rate, contract, tier)
        new = new._replace(fees=fill.fee_units)
        ticket.filled += fill.qty_steps
        if held is not None:
            self._add(s, held, new, signed, data)
        else:
            tick = contract.tick_den / contract.tick_num
            levels = initial_levels(
                side, signed, order.atr * tick, order.sl_atr, order.plan, data.fees.be_r,
                data.fees.trail_atr, now_ns,
            )  # fmt: skip
            filled = order._replace(qty=fill.qty_steps)
            self.account.positions[s] = Position(
                ticket.decision, filled, ticket.exit_strategy, levels, first_guard(levels), new,
                tier, new.margin, new.cost,
            )  # fmt: skip
            ticket.bare_ns = now_ns
        self.account.pending.pop(s, None)
        self.account.last_entry_ns[s] = now_ns
        self.account.book(
            EntryKind.FEE, ticket.symbol, -new.fees, now_ns, ticket.decision.decision_id
        )
        return self.account.positions[s]

    def close(
        self, s: int, fill: Fill, reason: int, at_level: bool, data: MarketSeries, slip: float
    ) -> ClosedTrade | None:
        """Book a fill that reduces a position; the closed trade when nothing is left.

        ``at_level``: a conditional order fired; otherwise somebody sold at market.
        """
        p, contract = self.account.positions[s], data.contracts[s]
        side, now_ns, before = p.levels.side, fill.time_ms * NS_PER_MS, p.book
        qty = min(fill.qty_steps, before.qty)
        price = side * fill.price_ticks
        ref = self._exit_ref(s, p, reason if at_level else 0, price, slip)
        kind = PARTIAL if reason == PARTIAL else 0
        p.guard = after_event(p.guard, kind, ref)
        book, closing = close_book(
            side, p.levels.entry, before, qty, ref, price, reason, data.fees.taker, contract,
            p.tier,
        )  # fmt: skip
        p.book, closing = as_told(book, closing, fill)
        self.account.book_fill(p, before, closing, now_ns)
        return self._ended(s, fill.symbol)

    def force(self, s: int, fill: Fill, data: MarketSeries) -> ClosedTrade | None:
        """Book a liquidation: the isolated margin is lost."""
        p, contract, now_ns = self.account.positions[s], data.contracts[s], fill.time_ms * NS_PER_MS
        before, level = p.book, p.levels.side * fill.price_ticks
        p.guard = after_event(p.guard, LIQUIDATION, level)
        spare = self.account.cash_units - net_units(before) - self.account.margin_units(s)
        book, closing = liquidate_book(
            p.levels.side, before, level, LIQUIDATION, spare, data.fees.liquidation, contract
        )
        p.book, closing = as_told(book, closing, fill)
        self.account.book_fill(p, before, closing, now_ns)
        return self._ended(s, fill.symbol)

    def fund(self, s: int, units: int, time_ns: int, data: MarketSeries) -> LedgerEntry:
        """Book funding the venue settled on a position; positive when received."""
        p = self.account.positions[s]
        p.book = book_funding(
            p.levels.side, p.levels.entry, p.book, units, data.contracts[s], p.tier
        )
        symbol, id_ = p.decision.symbol, p.decision.decision_id
        self.account.book(EntryKind.FUNDING, symbol, units, time_ns, id_)
        return LedgerEntry(time_ns, symbol, EntryKind.FUNDING, units, id_)

    def price_quote(self, s: int, ticks: int, data: MarketSeries) -> float:
        """Unsigned ticks of a contract as a price."""
        return price_of(ticks, data.contracts[s])

    def _entry_ref(self, ticket: Ticket, fill: Fill) -> int:
        """Reference of an entry, signed: the limit, or where the contract stood."""
        if ticket.order.style == STYLE_POST_ONLY:
            return ticket.order.limit
        quote = self.quotes.get(ticket.symbol)
        return ticket.order.side * (fill.price_ticks if quote is None else quote.last_ticks)

    def _exit_ref(self, s: int, p: Position, reason: int, price: int, slip: float) -> int:
        """Reference of an exit, signed: its level where the fill follows from it, else the quote.

        The difference is what slippage cost, for reports; cash follows from the fill alone.
        """
        side, quote = p.levels.side, self.quotes.get(self.symbols[s])
        market = price if quote is None else side * quote.last_ticks
        if reason == 0:
            return market
        level = {PARTIAL: p.levels.partial, TARGET: p.levels.target}.get(reason, p.guard.stop)
        if exit_fill(level, side, slip) != price and exit_fill(market, side, slip) == price:
            return market
        return level

    def _add(self, s: int, held: Position, new: Book, signed: int, data: MarketSeries) -> None:
        """More of a position: levels move to the average entry, money adds up."""
        old, order, contract = held.book, self.tickets[s].order, data.contracts[s]
        qty = old.qty + new.qty
        entry = round((held.levels.entry * old.qty + signed * new.qty) / qty)
        tick = contract.tick_den / contract.tick_num
        held.levels = initial_levels(
            order.side, entry, order.atr * tick, order.sl_atr, order.plan, data.fees.be_r,
            data.fees.trail_atr, held.levels.entry_ns,
        )  # fmt: skip
        held.guard = _grown(held.guard, first_guard(held.levels))
        held.book, held.tier = add_book(order.side, entry, old, new, contract, data.brackets[s])
        held.order = held.order._replace(qty=held.order.qty + new.qty)
        held.margin0_units += new.margin
        held.notional_units += new.cost

    def _ended(self, s: int, symbol: str) -> ClosedTrade | None:
        if self.account.positions[s].book.qty > 0:
            return None
        trade = self.account.close(s)
        self.floor[symbol] = max(self.seen[symbol], default=self.floor[symbol])
        self.seen[symbol].clear()
        return trade


def _grown(old: Guard, new: Guard) -> Guard:
    """Guard of a position that has grown: a moved stop does not loosen, no exit is forgotten."""
    moved = old.stop_kind != STOP_INITIAL and old.stop > new.stop
    stop, kind = (old.stop, old.stop_kind) if moved else (new.stop, new.stop_kind)
    return Guard(
        stop, kind, max(old.peak, new.peak), min(old.trough, new.trough), old.partial_done,
        old.order,
    )  # fmt: skip


def as_told(book: Book, closing: ClosingFill, fill: Fill) -> tuple[Book, ClosingFill]:
    """The same booking with the venue's own result and fee where it states others."""
    gross, fee = fill.realised_units, fill.fee_units
    if gross == closing.gross and fee == closing.fee:
        return book, closing
    book = book._replace(
        gross=book.gross + gross - closing.gross, fees=book.fees + fee - closing.fee
    )
    return book, closing._replace(gross=gross, fee=fee)
