"""The position monitor: stop moves, exits, protection, time exits and the drawdown ladder.

In lockstep it runs at every vertex of a bar's path, elsewhere every ``QT_MONITOR_S`` and whenever
the venue tells something. All rules are the core's; this is their order (spec 9.2, 10.2).
"""

from __future__ import annotations

from collections.abc import Mapping

from envs.core.rules.exits import Stop, defensive_stop, time_is_up
from envs.core.rules.lifecycle import at_vertex, with_order, with_stop
from envs.core.rules.rounding import from_units
from envs.core.rules.walk import TIME
from envs.core.types import ExitReason
from runtime.kernel_ports import Quote
from runtime.trading.at_once import Failures
from runtime.trading.context import Context
from runtime.trading.entering import MOMENT_S, Entering
from runtime.trading.exits import Exits
from runtime.trading.protecting import Protecting, is_settled
from runtime.trading.taking import Taking
from runtime.trading.tickets import Ticket

OPEN, FIRST, SECOND, CLOSE = range(4)
_DEFENSIVE_LEVEL, _CLOSE_ALL_LEVEL = 2, 3


class Monitor:
    """Looks after every ticket."""

    def __init__(
        self, context: Context, taking: Taking, entering: Entering, exits: Exits,
        protecting: Protecting,
    ) -> None:  # fmt: skip
        self._c, self._taking, self._entering = context, taking, entering
        self._exits, self._protecting = exits, protecting

    async def look(self, index: int, quotes: Mapping[str, Quote], *, stepped: bool) -> None:
        """Act on the present prices and on what the venue told.

        ``index`` is the vertex. ``stepped``: in lockstep, where market orders sent at a close wait
        for the next open; elsewhere they fill at once. An error in one contract holds up nothing
        of the others; the first is raised at the end.
        """
        context, books, failures = self._c, self._c.books, Failures()
        books.set_quotes(quotes)
        await failures.of(self._taking.take())
        waits = stepped and index == CLOSE
        if stepped:
            for s in sorted(books.tickets):
                await failures.of(self._manage(s, waits))
        else:
            for s in sorted(books.tickets):
                context.at_work.begin(s, self._manage(s, waits))
            await failures.of(context.at_work.wait(MOMENT_S))
        if index == CLOSE and books.tickets:
            await self._judge_close(stepped, failures)
        moves_on = not stepped and context.stop.ess.state != 0
        if books.account.positions or index == CLOSE or moves_on:
            await self._judge_ladder(waits, failures)
        failures.tell()

    async def _manage(self, s: int, waits: bool) -> None:
        """One ticket: what moves its stop, closes it, protects it, or ends it."""
        context, books = self._c, self._c.books
        ticket, p = books.tickets.get(s), books.account.positions.get(s)
        if ticket is None:
            return
        if ticket.awaits_fills and not context.options.in_turn:
            await self._entering.fetch(ticket)
            p = books.account.positions.get(s)
        if p is None:
            await self._without_position(ticket)
            # What became of its entry may have been found out just now.
            p = books.account.positions.get(s)
        if p is None:
            return
        quote = books.quotes.get(ticket.symbol)
        if quote is not None:
            before, side, data = p.guard, p.levels.side, context.data
            p.guard = at_vertex(
                p.levels, before, side * quote.last_ticks, side * quote.mark_ticks,
                context.slip(s), p.book.funding_unit, data.fees, data.contracts[s],
            )  # fmt: skip
            context.dirty |= p.guard != before
        if p.guard.order != 0:
            await self._exits.send(s, p.guard.order, waits=waits)
            if s not in books.account.positions:
                await self._without_position(ticket)
                return
        if not is_settled(ticket, p):
            await self._watch(s, ticket, waits)

    async def _watch(self, s: int, ticket: Ticket, waits: bool) -> None:
        await self._protecting.ensure(s, waits=waits)
        if s not in self._c.books.account.positions:
            await self._without_position(ticket)
            return
        late_ns = self._c.options.protect_deadline_s * 1e9
        if ticket.stop is None and not ticket.bare_ns:
            ticket.bare_ns = self._c.now_ns
        if ticket.bare_ns and self._c.now_ns - ticket.bare_ns > late_ns:
            self._c.stop.unprotected(ticket.symbol, self._c.now_ns)

    async def _without_position(self, ticket: Ticket) -> None:
        """Nothing is held: the entry still waits, came to nothing, or the trade is over."""
        books = self._c.books
        if ticket.filled and ticket.entry_open:
            await self._entering.cancel(ticket)
        if ticket.awaits_fills or (ticket.filled and ticket.entry_open):
            return
        if ticket.filled:
            if await self._protecting.release(ticket):
                books.tickets.pop(ticket.s, None)
                self._c.stop.protected(ticket.symbol)
            return
        if ticket.entry_doubt:
            await self._entering.resolve(ticket)
        elif not ticket.entry_open:
            self._entering.drop(ticket, "EXPIRED")

    async def _judge_close(self, stepped: bool, failures: Failures) -> None:
        """Time exits, and what becomes of entries their bar did not fill."""
        context, books = self._c, self._c.books
        for s in sorted(books.account.positions):
            # Another one's exit may have told of this one's end meanwhile.
            p, quote = books.account.positions.get(s), books.quotes.get(context.symbols[s])
            if p is None or quote is None or not self._has_bar(quote):
                continue
            close = p.levels.side * quote.last_ticks
            if time_is_up(p.levels, context.now_ns, close, context.data.fees.time_min_r):
                p.guard = with_order(p.guard, TIME)
                await failures.of(self._exits.send(s, p.guard.order, waits=stepped))
        for s in sorted(books.tickets):
            ticket, quote = books.tickets.get(s), books.quotes.get(context.symbols[s])
            if ticket is None or ticket.decision.bar_close_ns >= context.now_ns:
                # Decided at this very close: its bar has not begun.
                continue
            if s in books.account.pending and quote is not None and self._has_bar(quote):
                await failures.of(self._entering.judge_close(s))

    def _has_bar(self, quote: Quote) -> bool:
        """Whether a contract traded during the bar that closes now."""
        return self._c.now_ns - quote.time_ns < self._c.data.market.interval_ns

    async def _judge_ladder(self, waits: bool, failures: Failures) -> None:
        """Ladder and emergency stop; what a level asks for is done until it is done."""
        context, account = self._c, self._c.books.account
        if account.positions and not context.can_value:
            # Right after a start: what is held cannot be valued yet, and must not look lost.
            await self._reduce(context.stop.ess.level, waits, failures)
            return
        unrealised = account.unrealised_quote()
        wallet = from_units(account.cash_units)
        flat = not account.positions and not context.unsure
        level = context.stop.evaluate(wallet + unrealised, unrealised, wallet, flat, context.now_ns)
        if level == _DEFENSIVE_LEVEL:
            context.dirty = True
            for s in account.positions:
                self._tighten(s)
        await self._reduce(max(level, context.stop.ess.level), waits, failures)

    async def _reduce(self, level: int, waits: bool, failures: Failures) -> None:
        """From level 2 on cancel entries, at level 3 close everything, as long as the level lasts.

        Cooling down too: an entry that could not be cancelled may fill then.
        """
        if level < _DEFENSIVE_LEVEL:
            return
        books = self._c.books
        for s in sorted(books.account.pending):
            await failures.of(self._give_back(s))
        for s in sorted(books.account.positions):
            await failures.of(self._leave(s, level, waits))

    async def _give_back(self, s: int) -> None:
        """Cancel an entry that has not filled."""
        ticket = self._c.books.tickets.get(s)
        if ticket is None:
            return
        await self._entering.cancel(ticket)
        if ticket.is_empty and not ticket.entry_open and s in self._c.books.tickets:
            self._entering.drop(ticket, "GATE_REDUCING")

    async def _leave(self, s: int, level: int, waits: bool) -> None:
        """Close a position, or let its tightened stop rest; others may have told of its end."""
        context, books = self._c, self._c.books
        p, ticket = books.account.positions.get(s), books.tickets.get(s)
        if p is None or ticket is None:
            return
        if level >= _CLOSE_ALL_LEVEL:
            context.dirty |= p.guard.order == 0
            p.guard = with_order(p.guard, int(ExitReason.EMERGENCY))
            await self._exits.send(s, int(ExitReason.EMERGENCY), waits=waits)
        elif not context.at_work.is_busy(s):
            await self._protecting.ensure(s, waits=waits)
        if s not in books.account.positions and not context.at_work.is_busy(s):
            await self._without_position(ticket)

    def _tighten(self, s: int) -> None:
        """DEFENSIVE_EXIT: the stop follows mark at half an ATR."""
        books, contract = self._c.books, self._c.data.contracts[s]
        p = books.account.positions[s]
        atr_ticks = p.order.atr * contract.tick_den / contract.tick_num
        mark = p.levels.side * books.account.marks[s]
        stop = Stop(p.guard.stop, p.guard.stop_kind)
        p.guard = with_stop(p.guard, defensive_stop(p.levels, stop, mark, atr_ticks))
