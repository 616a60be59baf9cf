"""A trader on the exchange in lockstep: it places what the core's rules say a monitor places.

It sees entries (``walk.Order``), quotes and its own orders; levels, stop moves, time exits and the
ladder come from the rules the core itself uses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from envs.core.gate import Gate
from envs.core.rules.booking import price_of
from envs.core.rules.exits import Levels, Stop, defensive_stop, time_is_up
from envs.core.rules.fills import exit_fill
from envs.core.rules.lifecycle import (
    Guard,
    at_vertex,
    entry_levels,
    first_guard,
    partial_qty,
    with_order,
    with_stop,
)
from envs.core.rules.rounding import from_units
from envs.core.rules.walk import STYLE_POST_ONLY, TIME
from envs.core.rules.walk import Order as Entry
from envs.core.types import ExitReason
from runtime.exchange import commands as c
from runtime.exchange.errors import WOULD_TRIGGER, VenueError
from runtime.exchange.events import OrderEvent
from runtime.exchange.orders import AlgoRequest, OrderRequest, OrderType, TimeInForce
from runtime.exchange.session import Advance, ExchangeSession


@dataclass
class Held:
    """A position as its monitor knows it; ``ids`` are its resting orders by role."""

    entry: Entry
    levels: Levels
    guard: Guard
    ids: dict[str, str] = field(default_factory=dict)
    exit_sent: bool = False


@dataclass
class Mirror:
    """Drives one exchange session by a list of entries and the rules."""

    session: ExchangeSession
    pending: dict[str, Entry] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    refused_defensive: int = 0
    _names: int = 0

    def __post_init__(self) -> None:
        settings = self.session.settings.core
        self.gate = Gate(settings, settings.start_equity_quote, self.session.now_ns)

    async def enter(self, symbol: str, entry: Entry) -> None:
        """Send an entry at a close."""
        if self.session.state.leverage[symbol] != entry.leverage:
            await self.session.submit(c.SetLeverage(symbol, entry.leverage))
        self.pending[symbol] = entry
        kind, limit, force = OrderType.MARKET, 0, TimeInForce.GTC
        if entry.style == STYLE_POST_ONLY:
            kind, limit, force = OrderType.LIMIT, entry.side * entry.limit, TimeInForce.GTX
        request = OrderRequest(
            f"entry-{symbol}", symbol, entry.side, kind, entry.qty, limit, force
        )  # fmt: skip
        await self.session.submit(c.Place(request))

    async def bar(self) -> None:
        """Run one bar: act at every vertex, judge at the close."""
        while True:
            step = await self.session.advance()
            await self._see_vertex(step)
            if step.vertex == "close":
                return

    async def finish(self) -> None:
        """Close what is open when the market has ended: there is no open left to wait for."""
        for symbol in sorted(self.held):
            await self._send_exit(symbol, self.held[symbol])

    async def _see_vertex(self, step: Advance) -> None:
        index = ("open", "first", "second", "close").index(step.vertex)
        for symbol in sorted({*self.held, *self.pending}):
            self._see_fills(symbol, step)
            held = self.held.get(symbol)
            if held is None:
                continue
            if symbol in self.session.state.holdings:
                await self._manage(symbol, held, index)
            else:
                await self._closed(symbol)
        if index == 3:
            await self._judge_close()
        if self.held or index == 3:
            await self._evaluate(index == 3)

    def _see_fills(self, symbol: str, step: Advance) -> None:
        """Take over an entry that filled, and note what a fill says about the guard."""
        data = self.session.market.series
        s = self.session.market.index(symbol)
        for event in step.events:
            if not isinstance(event, OrderEvent) or event.trade is None:
                continue
            order, trade = event.order, event.trade
            if order.symbol != symbol:
                continue
            if order.client_id.startswith("entry-"):
                entry = self.pending.pop(symbol)
                resting = order.type is OrderType.LIMIT
                ref = entry.limit if resting else entry.side * self._open(s)
                slip = 0.0 if resting else float(data.series[s].slip[self.session.point.row])
                levels = entry_levels(
                    entry.side, ref, entry.atr, entry.sl_atr, entry.plan, slip, data.fees,
                    data.contracts[s], trade.time_ns,
                )  # fmt: skip
                self.held[symbol] = Held(entry, levels, first_guard(levels))
                assert entry.side * trade.price_ticks == levels.entry
            held = self.held.get(symbol)
            if held is None:
                continue
            if order.client_id == held.ids.get("partial"):
                held.guard = held.guard._replace(partial_done=True)
                held.ids.pop("partial")
            self._note_stop(held, order.client_id, trade.time_ns)

    def _note_stop(self, held: Held, client_id: str, now_ns: int) -> None:
        kinds = (ExitReason.STOP, ExitReason.TRAIL, ExitReason.BREAKEVEN, ExitReason.DEFENSIVE)
        moved_too_near = client_id.startswith("exit-") and held.guard.order in kinds
        if client_id == held.ids.get("stop") or moved_too_near:
            self.gate.stop_hit(now_ns)

    async def _manage(self, symbol: str, held: Held, index: int) -> None:
        """Stop moves and exits at a vertex of an open position."""
        session, data = self.session, self.session.market.series
        s, side = session.market.index(symbol), held.levels.side
        quote, holding = session.state.quotes[symbol], session.state.holdings[symbol]
        held.guard = at_vertex(
            held.levels, held.guard, side * quote.last_ticks, side * quote.mark_ticks, quote.slip,
            holding.book.funding_unit, data.fees, data.contracts[s],
        )  # fmt: skip
        if held.guard.order != 0:
            await self._exit(symbol, held)
            if index != 3:
                return
        await self._protect(symbol, held)

    async def _protect(self, symbol: str, held: Held) -> None:
        """Let the resting orders be what the guard says; the new stop first, then the old goes."""
        data = self.session.market.series
        s, side = self.session.market.index(symbol), held.levels.side
        contract, fees = data.contracts[s], data.fees
        qty = self.session.state.holdings[symbol].book.qty
        if not held.ids:
            price = price_of(
                side * exit_fill(held.levels.partial, side, self._slip(symbol)), contract
            )
            part = partial_qty(price, qty, fees.partial_fraction, contract)
            if part > 0:
                level = side * held.levels.partial
                held.ids["partial"] = await self._algo(symbol, held, "PARTIAL", level, part)
            if part < qty:
                level = side * held.levels.target
                held.ids["target"] = await self._algo(symbol, held, "TARGET", level, qty - part)
        wanted = f"stop:{held.guard.stop}:{qty}"
        if held.ids.get("stop_state") == wanted:
            return
        old = held.ids.get("stop")
        try:
            new = await self._algo(symbol, held, "STOP", side * held.guard.stop, qty)
        except VenueError as error:
            if error.code != WOULD_TRIGGER:
                raise
            self.refused_defensive += held.guard.stop_kind == ExitReason.DEFENSIVE
            held.guard = with_order(held.guard, held.guard.stop_kind)
            await self._exit(symbol, held)
            return
        held.ids["stop"], held.ids["stop_state"] = new, wanted
        if old is not None:
            await self.session.submit(c.CancelAlgo(client_id=old))

    async def _algo(self, symbol: str, held: Held, role: str, level: int, qty: int) -> str:
        self._names += 1
        name = f"{role.lower()}-{self._names}"
        kind = OrderType.STOP_MARKET if role == "STOP" else OrderType.TAKE_PROFIT_MARKET
        request = AlgoRequest(
            name, symbol, -held.levels.side, kind, qty, trigger_ticks=level, reduce_only=True
        )  # fmt: skip
        await self.session.submit(c.PlaceAlgo(request))
        return name

    async def _exit(self, symbol: str, held: Held) -> None:
        """Close at market: at once, or at the next open when sent at a close.

        At the last close nothing is sent: what is open then ends for the reason END.
        """
        if not (held.exit_sent or self.session.ended):
            await self._send_exit(symbol, held)

    async def _send_exit(self, symbol: str, held: Held) -> None:
        held.exit_sent = True
        self._names += 1
        request = OrderRequest(
            f"exit-{self._names}", symbol, -held.levels.side, OrderType.MARKET,
            self.session.state.holdings[symbol].book.qty, reduce_only=True,
        )  # fmt: skip
        await self.session.submit(c.Place(request))
        if symbol not in self.session.state.holdings:
            now = self.session.now_ns
            self._note_stop(held, request.client_id, now)
            await self._closed(symbol)

    async def _closed(self, symbol: str) -> None:
        """The position is gone: nothing of it may rest."""
        del self.held[symbol]
        self.gate.trade_closed()
        await self.session.submit(c.CancelAllAlgos(symbol))
        for order in self.session.state.open_orders(symbol):
            await self.session.submit(c.Cancel(symbol, order.order_id))

    async def _judge_close(self) -> None:
        """Time exits, and what becomes of entries their bar did not fill."""
        session, data = self.session, self.session.market.series
        for symbol in sorted(self.held):
            held = self.held[symbol]
            close = held.levels.side * session.state.quotes[symbol].last_ticks
            if time_is_up(held.levels, session.now_ns, close, data.fees.time_min_r):
                held.guard = with_order(held.guard, TIME)
                await self._exit(symbol, held)
        for symbol in sorted(self.pending):
            entry = self.pending.pop(symbol)
            for order in session.state.open_orders(symbol):
                await session.submit(c.Cancel(symbol, order.order_id))
            if entry.unfilled_market and not session.ended:
                await self.enter(symbol, entry._replace(style=0, unfilled_market=False))

    async def _evaluate(self, at_close: bool) -> None:
        """The drawdown ladder, as the world has it."""
        session, state = self.session, self.session.state
        unrealised, wallet = state.unrealised_quote(), from_units(state.ledger.wallet_units)
        level = self.gate.evaluate(
            wallet + unrealised, unrealised, wallet, not state.holdings, session.now_ns
        )
        if level < 2:
            return
        for symbol in sorted(self.pending):
            del self.pending[symbol]
            for order in state.open_orders(symbol):
                await session.submit(c.Cancel(symbol, order.order_id))
        for symbol in sorted(self.held):
            held = self.held[symbol]
            if level >= 3:
                held.guard = with_order(held.guard, int(ExitReason.EMERGENCY))
                if not at_close:
                    held.guard = held.guard._replace(order=int(ExitReason.EMERGENCY))
                await self._exit(symbol, held)
                continue
            contract = state.listings[symbol].contract
            atr_ticks = held.entry.atr * contract.tick_den / contract.tick_num
            mark = held.levels.side * state.quotes[symbol].mark_ticks
            stop = Stop(held.guard.stop, held.guard.stop_kind)
            held.guard = with_stop(held.guard, defensive_stop(held.levels, stop, mark, atr_ticks))
            await self._protect(symbol, held)

    def _open(self, s: int) -> int:
        return self.session.market.series.bars[s][self.session.point.row][0]

    def _slip(self, symbol: str) -> float:
        return self.session.state.quotes[symbol].slip
