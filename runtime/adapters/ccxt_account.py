"""The account as the venue tells it; what could not be asked is unsure, never flat."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from envs.core.instrument import Instrument
from runtime.adapters import wire
from runtime.adapters.ccxt_errors import NO_CHANGE_MARGIN
from runtime.adapters.ccxt_link import CallFailed, CcxtLink
from runtime.adapters.intake import Intake
from runtime.adapters.rate_budget import Urgency
from runtime.port_errors import StoreUnavailable, VenueUnavailable
from runtime.port_values import (
    AccountModes,
    AccountView,
    Balance,
    Flat,
    IncomeRow,
    OrderView,
    Stand,
    SymbolMode,
    TriggerView,
    Unsure,
)

CONFIRM_WAIT_S = 0.25
MOST_INCOME = 1_000
_MOST_SINGLE = 20
"""Above as many contracts one question for all (weight 40) is cheaper than one for each."""
_PATIENCE_S = 20.0
_WINDOW_MS = 7 * 86_400_000
"""A window of income that began no longer ago reaches to now: when it is empty, nothing is."""
Rows = Sequence[Mapping[str, Any]]


class Account:
    """Asks for wallet, positions, orders, income and modes."""

    def __init__(
        self, link: CcxtLink, intake: Intake, instruments: Mapping[str, Instrument],
        symbols: Sequence[str],
    ) -> None:  # fmt: skip
        self._link, self._intake = link, intake
        self._instruments, self._symbols = instruments, tuple(symbols)

    async def view(self) -> AccountView:
        """Everything at one time; never raises."""
        told, risk, orders, triggers = await asyncio.gather(
            self._ask("fapiPrivateV3GetAccount", 5, dict),
            self._ask("fapiPrivateV3GetPositionRisk", 5, list),
            self._open("fapiPrivateGetOpenOrders"),
            self._open("fapiPrivateGetOpenAlgoOrders"),
        )
        failures = [x for x in (told, risk, orders, triggers) if isinstance(x, str)]
        stands = await self._stands(risk, told, failures)
        return AccountView(
            self._link.venue_now_ms, self._balance(told, failures), stands,
            await self._orders(orders, failures), await self._triggers(triggers, failures),
            tuple(failures),
        )  # fmt: skip

    async def modes(self) -> AccountModes:
        """Position mode, leverage and margin types.

        Raises:
            VenueUnavailable, VenueRefused: No usable answer.
        """
        try:
            dual = await self._link.call("fapiPrivateGetPositionSideDual", weight=30)
            rows = await self._link.call("fapiPrivateGetSymbolConfig", weight=5, kind=list)
            symbols = {
                wire.words(row, "symbol"): SymbolMode(
                    wire.whole(row, "leverage"), row.get("marginType") == "ISOLATED"
                )
                for row in rows
            }
        except CallFailed as error:
            raise error.as_port_error() from error
        except wire.UnreadableAnswer as error:
            raise VenueUnavailable(f"modes: {error}") from error
        if not isinstance(dual.get("dualSidePosition"), bool):
            raise VenueUnavailable(f"modes: position mode not told: {dual!r}")
        return AccountModes(dual["dualSidePosition"], symbols)

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Isolated margin and leverage of a contract, asked for at once; both are idempotent.

        Raises:
            VenueUnavailable, VenueRefused: Not set, or not known to be.
        """
        told = await asyncio.gather(
            self._link.call(
                "fapiPrivatePostMarginType", {"symbol": symbol, "marginType": "ISOLATED"}
            ),
            self._link.call(
                "fapiPrivatePostLeverage", {"symbol": symbol, "leverage": str(leverage)}
            ),
            return_exceptions=True,
        )
        for answer in told:
            if not isinstance(answer, CallFailed):
                if isinstance(answer, BaseException):
                    raise answer
            elif answer.what.failure.code != NO_CHANGE_MARGIN:
                raise answer.as_port_error() from answer

    async def income_since(self, time_ms: int) -> tuple[IncomeRow, ...]:
        """Every row from a time on, page by page.

        Raises:
            VenueUnavailable, VenueRefused: No usable answer.
        """
        found: dict[tuple[int, str, str], IncomeRow] = {}
        start_ms = time_ms
        try:
            while True:
                page = await self._income({"startTime": start_ms})
                before = len(found)
                found |= {(r.income_id, r.kind, r.symbol): r for r in page}
                if len(page) < MOST_INCOME:
                    break
                if len(found) == before:
                    raise VenueUnavailable(f"income: over {MOST_INCOME} rows in one millisecond")
                start_ms = max(r.time_ms for r in page)
            if not found and not 0 <= self._link.venue_now_ms - time_ms <= _WINDOW_MS:
                # A window that lies too far back is empty: the last rows are asked for instead.
                last = [r for r in await self._income({}) if r.time_ms >= time_ms]
                found = {(r.income_id, r.kind, r.symbol): r for r in last}
        except CallFailed as error:
            raise error.as_port_error() from error
        except wire.UnreadableAnswer as error:
            raise VenueUnavailable(f"income: {error}") from error
        return tuple(sorted(found.values(), key=lambda r: (r.time_ms, r.income_id)))

    async def _income(self, window: dict[str, Any]) -> list[IncomeRow]:
        rows = await self._link.call(
            "fapiPrivateGetIncome", {**window, "limit": MOST_INCOME}, weight=30, kind=list
        )
        return [wire.income_row(row) for row in rows]

    async def _ask(self, method: str, weight: int, kind: type, params: Any = None) -> Any:
        """The answer, or a text that says why there is none."""
        try:
            return await self._link.call(
                method, params, weight=weight, kind=kind, patience_s=_PATIENCE_S,
                urgency=Urgency.EXIT,
            )  # fmt: skip
        except CallFailed as error:
            return str(error)

    async def _open(self, method: str) -> Any:
        if not 0 < len(self._symbols) <= _MOST_SINGLE:
            return await self._ask(method, 40, list)
        each = await asyncio.gather(
            *(self._ask(method, 1, list, {"symbol": s}) for s in self._symbols)
        )
        return next((x for x in each if isinstance(x, str)), [row for x in each for row in x])

    async def _stands(self, risk: Any, told: Any, failures: list[str]) -> dict[str, Stand]:
        """Positions by contract; flat only where both of the venue's answers say so."""
        if isinstance(risk, str):
            return {s: Unsure(s, risk) for s in self._symbols}
        stands = self._compare(risk, told)
        if not any(isinstance(s, Unsure) for s in stands.values()):
            return stands
        # The two questions were not answered at one instant, or one answer was wrong: once more.
        await self._link.clock.sleep(CONFIRM_WAIT_S)
        risk, told = await asyncio.gather(
            self._ask("fapiPrivateV3GetPositionRisk", 5, list),
            self._ask("fapiPrivateV3GetAccount", 5, dict),
        )
        if isinstance(risk, str):
            failures.append(risk)
            return {s: Unsure(s, risk) for s in stands}
        return self._compare(risk, told)

    def _compare(self, risk: Rows, told: Any) -> dict[str, Stand]:
        held = self._steps(risk)
        other = self._steps(told.get("positions", ())) if isinstance(told, dict) else None
        rows = {str(row.get("symbol")): row for row in risk}
        stands: dict[str, Stand] = {}
        for symbol in sorted({*self._symbols, *held, *(other or {})}):
            steps = held.get(symbol, 0)
            if isinstance(steps, str):
                stands[symbol] = Unsure(symbol, steps)
            elif other is None or other.get(symbol, 0) != steps:
                seen = "not told" if other is None else other.get(symbol, 0)
                stands[symbol] = Unsure(symbol, f"positionRisk {steps} steps, account {seen}")
            elif steps == 0:
                stands[symbol] = Flat(symbol)
            else:
                stands[symbol] = self._position(symbol, rows[symbol])
        return stands

    def _position(self, symbol: str, row: Mapping[str, Any]) -> Stand:
        try:
            return wire.position_of(row, self._instruments[symbol])
        except wire.UnreadableAnswer as error:
            return Unsure(symbol, str(error))

    def _steps(self, rows: Rows) -> dict[str, int | str]:
        """Signed steps by contract, or why they cannot be read; contracts without are left out."""
        found: dict[str, int | str] = {}
        for row in rows:
            symbol = str(row.get("symbol"))
            instrument = self._instruments.get(symbol)
            if row.get("positionSide", "BOTH") != "BOTH":
                found[symbol] = "hedge mode: one-way mode is needed"
            elif instrument is None:
                found[symbol] = "contract not listed"
            else:
                try:
                    steps = wire.steps(row, "positionAmt", instrument)
                except wire.UnreadableAnswer as error:
                    found[symbol] = str(error)
                    continue
                if steps or symbol in self._symbols:
                    found.setdefault(symbol, steps)
        return found

    def _balance(self, told: Any, failures: list[str]) -> Balance | None:
        if isinstance(told, str):
            return None
        try:
            return wire.balance_of(told)
        except wire.UnreadableAnswer as error:
            failures.append(str(error))
            return None

    async def _orders(self, rows: Any, failures: list[str]) -> tuple[OrderView, ...] | None:
        if isinstance(rows, str):
            return None
        try:
            views = tuple(wire.order_view(r, self._instruments[r["symbol"]]) for r in rows)
        except (wire.UnreadableAnswer, KeyError) as error:
            failures.append(f"openOrders: {error}")
            return None
        try:
            for view in views:
                await self._intake.order(view)
        except StoreUnavailable as error:
            failures.append(str(error))
        return views

    async def _triggers(self, rows: Any, failures: list[str]) -> tuple[TriggerView, ...] | None:
        if isinstance(rows, str):
            return None
        try:
            views = tuple(wire.trigger_view(r, self._instruments[r["symbol"]]) for r in rows)
        except (wire.UnreadableAnswer, KeyError) as error:
            failures.append(f"openAlgoOrders: {error}")
            return None
        try:
            for view in views:
                await self._intake.trigger(view)
        except StoreUnavailable as error:
            failures.append(str(error))
        return views
