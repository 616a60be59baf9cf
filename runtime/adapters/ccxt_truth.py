"""Finding out what became of a request whose answer was lost: ask until answered, then decide."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from envs.core.errors import FixSettings
from envs.core.instrument import Instrument
from runtime.adapters import wire
from runtime.adapters.ccxt_errors import Cause, Failure, Verdict, classify
from runtime.adapters.ccxt_link import CallFailed, CcxtLink
from runtime.adapters.intake import Intake
from runtime.adapters.rate_budget import Urgency
from runtime.port_values import (
    Advice,
    Answer,
    Fill,
    NewOrder,
    NewTrigger,
    OrderView,
    Outcome,
    TriggerView,
)
from runtime.ports import Store

MOST_TRADES = 1_000
_LEAST_S = 0.2
"""What is left for a question that is asked when the time is nearly over."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class AskPolicy:
    """How long a lost answer is looked for.

    A not-found counts only after ``tries`` of them and ``floor_s`` seconds since the request was
    sent, which is longer than the receive window: later the venue refuses a request that was still
    under way. ``answer_s`` is how long an answer is waited for before the venue is asked beside
    it; after ``search_s`` of asking without a proof the outcome is UNKNOWN for now, since whoever
    asks has positions to look after: ``Venue.resolve`` goes on. ``deadline_s`` is the patience of
    one question where requests are held back.
    """

    tries: int = 4
    floor_s: float = 6.0
    deadline_s: float = 20.0
    answer_s: float = 1.0
    search_s: float = 0.8
    first_wait_s: float = 0.1
    most_wait_s: float = 2.0

    def __post_init__(self) -> None:
        if self.tries < 2 or not 0.0 < self.floor_s <= self.deadline_s:
            raise FixSettings(f"ask policy: tries >= 2, 0 < floor_s <= deadline_s, got {self}")
        if min(self.answer_s, self.search_s) <= 0.0:
            raise FixSettings(f"ask policy: answer_s and search_s must be > 0, got {self}")


class Truth:
    """Asks the venue by client id, by trades and by position; sends nothing."""

    def __init__(
        self, link: CcxtLink, intake: Intake, store: Store, instruments: Mapping[str, Instrument],
        policy: AskPolicy | None = None,
    ) -> None:  # fmt: skip
        self._link, self._intake, self._store = link, intake, store
        self._instruments, self.policy = instruments, policy or AskPolicy()

    async def get_order(self, symbol: str, client_id: str) -> OrderView:
        """Ask once.

        Raises:
            CallFailed, UnreadableAnswer: No answer, NOT_FOUND among them.
        """
        return await self._get_order({"symbol": symbol, "origClientOrderId": client_id})

    async def get_numbered(self, symbol: str, order_id: int) -> OrderView:
        """Ask once by the venue's number; raises as ``get_order``."""
        return await self._get_order({"symbol": symbol, "orderId": order_id})

    async def get_trigger(self, symbol: str, client_id: str) -> TriggerView:
        """Ask once for a conditional order; raises as ``get_order``."""
        body = await self._link.call(
            "fapiPrivateGetAlgoOrder", {"symbol": symbol, "clientAlgoId": client_id},
            urgency=Urgency.EXIT, patience_s=self.policy.deadline_s,
        )  # fmt: skip
        view = wire.trigger_view(body, self._instruments[symbol])
        await self._intake.trigger(view)
        return view

    async def trades(self, symbol: str, trade_id: int) -> tuple[Fill, ...]:
        """Every trade with a greater number, oldest first; raises as ``get_order``."""
        instrument, found = self._instruments[symbol], []
        while True:
            rows = await self._link.call(
                "fapiPrivateGetUserTrades",
                {"symbol": symbol, "fromId": trade_id + 1, "limit": MOST_TRADES},
                weight=5, urgency=Urgency.EXIT, patience_s=self.policy.deadline_s, kind=list,
            )  # fmt: skip
            page = [wire.fill_of(row, instrument) for row in rows]
            found += page
            if len(page) < MOST_TRADES:
                return tuple(sorted(found, key=lambda f: f.trade_id))
            trade_id = max(f.trade_id for f in page)

    async def order(
        self, ask: NewOrder, *, now: bool = False, age_s: float = 0.0
    ) -> Answer[OrderView]:
        """Find out what became of an order; ``now``: its present state, not just that it is.

        ``age_s`` is how long ago it was sent. A market order never rests: one of which only the
        beginning was told has lost the rest on the way, so the venue is asked.
        """
        hunt = _Hunt(self, age_s)
        while True:
            known = self._intake.guard.order(ask.client_id)
            if known is not None and not (known.is_open and (now or known.price_ticks == 0)):
                return self._order_found(ask, known)
            try:
                return self._order_found(
                    ask, await hunt.ask(self.get_order(ask.symbol, ask.client_id))
                )
            except CallFailed as error:
                hunt.failed(error)
            except wire.UnreadableAnswer as error:
                hunt.text = str(error)
            if hunt.counts and (found := await self._by_trades(ask, hunt)) is not None:
                return found
            if hunt.is_over or not await hunt.again():
                return Answer(Outcome.UNKNOWN, ask.client_id, advice=hunt.advice, text=hunt.text)

    async def trigger(self, ask: NewTrigger, *, age_s: float = 0.0) -> Answer[TriggerView]:
        """Find out what became of a conditional order that was sent ``age_s`` ago."""
        hunt = _Hunt(self, age_s)
        while True:
            try:
                view = await hunt.ask(self.get_trigger(ask.symbol, ask.client_id))
                return Answer(
                    Outcome.ACCEPTED, ask.client_id, view, confirmed=agrees(view, ask)
                )  # fmt: skip
            except CallFailed as error:
                hunt.failed(error)
            except wire.UnreadableAnswer as error:
                hunt.text = str(error)
            if hunt.counts and await self._is_not_listed(ask):
                return Answer(Outcome.ABSENT, ask.client_id, text=hunt.text)
            if hunt.is_over or not await hunt.again():
                return Answer(Outcome.UNKNOWN, ask.client_id, advice=hunt.advice, text=hunt.text)

    async def _get_order(self, params: dict[str, Any]) -> OrderView:
        body = await self._link.call(
            "fapiPrivateGetOrder", params, urgency=Urgency.EXIT, patience_s=self.policy.deadline_s
        )
        view = wire.order_view(body, self._instruments[params["symbol"]])
        await self._intake.order(view)
        return view

    def _order_found(self, ask: NewOrder, view: OrderView) -> Answer[OrderView]:
        if ask.side and (view.symbol, view.side) != (ask.symbol, ask.side):
            return Answer(
                Outcome.REJECTED, ask.client_id, advice=Advice.FIX_REQUEST,
                text=f"client id {ask.client_id} belongs to another order: {view.symbol}",
            )  # fmt: skip
        self._intake.expect(view)
        return Answer(Outcome.ACCEPTED, ask.client_id, view, confirmed=True)

    async def _by_trades(self, ask: NewOrder, hunt: _Hunt) -> Answer[OrderView] | None:
        """Absent only if every trade since has another order, and the position was told too."""
        try:
            after = self._intake.guard.confirmed_trade_id(ask.symbol)
            known = await self._store.order_ids(ask.symbol)
            for order_id in sorted({f.order_id for f in await self.trades(ask.symbol, after)}):
                if order_id in known or self._intake.guard.order_numbered(order_id) is not None:
                    continue
                view = await self.get_numbered(ask.symbol, order_id)
                if view.client_id == ask.client_id:
                    return self._order_found(ask, view)
            await self._link.call(
                "fapiPrivateV3GetPositionRisk", {"symbol": ask.symbol}, weight=5,
                urgency=Urgency.EXIT, patience_s=self.policy.deadline_s, kind=list,
            )  # fmt: skip
        except (CallFailed, wire.UnreadableAnswer) as error:
            hunt.text = str(error)
            return None
        return Answer(Outcome.ABSENT, ask.client_id, text=hunt.text)

    async def _is_not_listed(self, ask: NewTrigger) -> bool:
        try:
            rows = await self._link.call(
                "fapiPrivateGetOpenAlgoOrders", {"symbol": ask.symbol}, urgency=Urgency.EXIT,
                patience_s=self.policy.deadline_s, kind=list,
            )  # fmt: skip
        except CallFailed:
            return False
        return all(row.get("clientAlgoId") != ask.client_id for row in rows)


class _Hunt:
    """One search: how often it was not found, since when, and when it ends."""

    def __init__(self, truth: Truth, age_s: float) -> None:
        self._policy, self._clock, self._age_s = truth.policy, truth._link.clock, age_s
        self._began_s = self._clock.monotonic_s()
        self._wait_s = self._policy.first_wait_s
        self._not_found = 0
        self.text, self.advice, self.is_over = "", Advice.VERIFY, False

    @property
    def counts(self) -> bool:
        """Whether not-found has been said often and long enough to mean something."""
        return (
            self._not_found >= self._policy.tries
            and self._age_s + self._asked_s >= self._policy.floor_s
        )

    @property
    def _asked_s(self) -> float:
        return self._clock.monotonic_s() - self._began_s

    async def ask(self, question: Coroutine[Any, Any, _T]) -> _T:
        """Ask once, and no longer than the search may take.

        Raises:
            CallFailed: No answer in time, or as the question does.
        """
        left_s = max(self._policy.search_s - self._asked_s, _LEAST_S)
        try:
            async with asyncio.timeout(left_s):
                return await question
        except TimeoutError:
            lost = Failure(text=f"no answer in {left_s:.1f} s", cause=Cause.LOST)
            raise CallFailed("question", classify(lost)) from None

    def failed(self, error: CallFailed) -> None:
        """Note a failed question."""
        self.text = str(error)
        if error.what.verdict is Verdict.NOT_FOUND:
            self._not_found += 1
        elif error.what.verdict is Verdict.FATAL:
            self.advice, self.is_over = Advice.STOP_TRADING, True

    async def again(self) -> bool:
        """Wait before the next question; False when the time is over."""
        left_s = self._policy.search_s - self._asked_s
        if left_s <= 0.0:
            return False
        await self._clock.sleep(min(self._wait_s, left_s))
        self._wait_s = min(2.0 * self._wait_s, self._policy.most_wait_s)
        return True


def agrees(view: TriggerView, ask: NewTrigger) -> bool:
    """Whether a conditional order rests (or has fired) exactly as it was asked for."""
    return (
        view.symbol == ask.symbol
        and view.side == ask.side
        and view.qty_steps == ask.qty_steps
        and view.trigger_ticks == ask.trigger_ticks
        and view.reduce_only
        and view.on_mark == ask.on_mark
        and (view.is_open or view.child_id != 0)
    )
