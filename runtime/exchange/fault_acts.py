"""Faults that happen at once: to sockets and the listen key, to positions and settings."""

from __future__ import annotations

from typing import Any

from envs.core.errors import FixInput
from runtime.exchange.commands import (
    CloseExternally,
    Liquidate,
    MovePrice,
    RefuseChildren,
    SetLeverage,
    SetMarginType,
    SetPositionMode,
)
from runtime.exchange.fault_kinds import KLINE_FAULTS, Fault, FaultKind
from runtime.exchange.faults import Faults
from runtime.exchange.listen_keys import ListenKeys
from runtime.exchange.moving import MarketMove, SymbolMove
from runtime.exchange.session import ExchangeSession
from runtime.exchange.streams import Streams

K = FaultKind
_CUT_OFF = 1006


class FaultActs:
    """Does what a fault of ``ACTS`` asks for; changes of the account are journalled commands."""

    def __init__(
        self, session: ExchangeSession, faults: Faults, streams: Streams, keys: ListenKeys
    ) -> None:
        self._session, self._faults = session, faults
        self._streams, self._keys = streams, keys

    async def perform(self, fault: Fault) -> dict[str, Any]:
        """Let a fault happen; tells what came of it.

        Raises:
            VenueError: The venue refuses it, such as another leverage while a position is open.
            FixInput: The fault does not fit the exchange.
        """
        done = await self._done(fault)
        self._faults.note(fault.kind)
        return done

    def completed(self, fault: Fault) -> Fault:
        """A fault to arm, with the candle it means where it does not name one.

        Stale: none that opens after the forming one is shown. Missing: the forming one is left
        out. Revised: the last closed one is told differently from now on.
        """
        if fault.kind not in KLINE_FAULTS or "open_ms" in fault.options:
            return fault
        session = self._session
        symbol = fault.symbol or session.market.symbols[0]
        session.state.listing(symbol)
        forming = session.klines.forming(symbol, session.klines.base, session.point)
        if forming is None:
            raise FixInput(f"fault {fault.kind}: {symbol} has no candle here; give open_ms")
        open_ns = forming.open_ns
        if fault.kind is K.REVISED_KLINE and not forming.closed:
            open_ns -= session.market.interval_ns
        options = {**fault.options, "open_ms": open_ns // 1_000_000}
        return Fault(**{**vars(fault), "options": options})

    async def move_price(self, symbol: str, price_ticks: int) -> dict[str, Any]:
        """Let the price jump and tell the streams."""
        if price_ticks < 1:
            raise FixInput(f"price of {symbol}: at least one tick, got {price_ticks}")
        session = self._session
        await session.submit(MovePrice(symbol, price_ticks))
        one = SymbolMove(symbol, price_ticks, float(price_ticks))
        number = session.market.number(session.point)
        self._streams.markets.on_move(MarketMove(number, session.point, session.now_ns, (one,), ()))
        return {"symbol": symbol, "price_ticks": price_ticks}

    async def _done(self, fault: Fault) -> dict[str, Any]:
        submit, symbol = self._session.submit, fault.symbol
        if fault.kind is K.CLOSE_SOCKET:
            count = self._streams.close_matching(fault.stream, fault.code or _CUT_OFF)
            return {"closed": count}
        if fault.kind is K.HALF_OPEN:
            return {"half_open": self._streams.half_open(fault.stream)}
        if fault.kind is K.EXPIRE_LISTEN_KEY:
            key = self._keys.key
            self._keys.expire()
            return {"expired": key}
        if fault.kind is K.LIQUIDATE:
            order = await submit(Liquidate(symbol))
            return {"order_id": None if order is None else order.order_id}
        if fault.kind is K.CLOSE_EXTERNALLY:
            held = symbol in self._session.state.holdings
            await submit(CloseExternally(symbol))
            return {"closed": held}
        if fault.kind is K.PRICE_GAP:
            last = self._session.state.quotes[symbol].last_ticks
            return await self.move_price(symbol, round(last * (1.0 + fault.value)))
        if fault.kind is K.REFUSE_CHILD:
            await submit(RefuseChildren(symbol, fault.count or 1))
            return {"symbol": symbol, "count": fault.count or 1}
        if fault.kind is K.SET_LEVERAGE:
            await submit(SetLeverage(symbol, int(fault.value)))
            return {"symbol": symbol, "leverage": int(fault.value)}
        if fault.kind is K.SET_MARGIN_TYPE:
            isolated = bool(fault.options.get("isolated", False))
            await submit(SetMarginType(symbol, isolated))
            return {"symbol": symbol, "isolated": isolated}
        dual = bool(fault.value)
        await submit(SetPositionMode(dual))
        return {"dual": dual}
