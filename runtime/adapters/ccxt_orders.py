"""Orders: written down, sent once, and never believed lost before the venue was asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Coroutine, Mapping
from typing import Any, cast

from envs.core.errors import FixInput
from envs.core.instrument import Instrument
from runtime.adapters import wire
from runtime.adapters.ccxt_errors import Cause, Classified, Failure, Verdict, classify, nonsense
from runtime.adapters.ccxt_findings import Unhindered
from runtime.adapters.ccxt_link import CallFailed, CcxtLink
from runtime.adapters.ccxt_truth import Truth
from runtime.adapters.client_ids import MOST_CHARACTERS
from runtime.adapters.intake import Intake
from runtime.adapters.rate_budget import Urgency
from runtime.port_errors import StoreUnavailable
from runtime.port_values import (
    Advice,
    Answer,
    Force,
    Intent,
    IntentState,
    NewOrder,
    NewTrigger,
    OrderView,
    Outcome,
    Purpose,
)
from runtime.ports import Store

_LOG = logging.getLogger(__name__)
GRACE_S, PATIENCE_S = 0.5, 5.0
CANCEL_TRIES = 3
_MOST_BEGUN = 10_000
ENDED = frozenset({IntentState.REJECTED, IntentState.ABSENT})
_STATE = {o: IntentState(o.value) for o in Outcome}


class Outbox:
    """What orders and conditional orders have in common: the journal around a send.

    Attributes:
        truth, findings: ask the venue what became of something; the latter answers even while
            what was found cannot be written down.
        unhindered: takes in what the venue told, a journal that is down or not.
    """

    def __init__(
        self, link: CcxtLink, intake: Intake, store: Store, truth: Truth,
        instruments: Mapping[str, Instrument],
    ) -> None:  # fmt: skip
        self.link, self.intake, self.store, self.truth = link, intake, store, truth
        self.unhindered = Unhindered(intake, store, self.note)
        # Truth asks for no more of the two than Unhindered has.
        self.findings = Truth(
            link, cast(Intake, self.unhindered), cast(Store, self.unhindered), instruments,
            truth.policy,
        )  # fmt: skip
        self.instruments = instruments
        self._begun: dict[str, Intent] = {}
        self._writing: set[asyncio.Task[Any]] = set()
        self._late: set[asyncio.Task[Any]] = set()

    async def begin(self, ask: NewOrder | NewTrigger) -> Intent | None:
        """Write an intent down; one that was sent before comes back and is not sent again.

        Raises:
            FixInput: The ask is not one, or its client id already means something else.
        """
        check_ask(ask, self.instruments)
        intent = Intent(ask, self.link.clock.now_ms())
        known: Intent | None = None
        try:
            if not await self.store.save_intent(intent):
                known = self._begun.get(ask.client_id, intent)
                known = await self.store.intent(ask.client_id) or known
        except StoreUnavailable as error:
            if not (isinstance(ask, NewTrigger) or ask.reduce_only):
                raise
            # A journal that cannot be written stops new risk, never the way out of it.
            self.note(f"{ask.client_id} goes out without a journal entry", error)
        # One that went out without a journal entry is known here alone.
        known = known or self._begun.get(ask.client_id)
        if known is None:
            self._begun[ask.client_id] = intent
            if len(self._begun) > _MOST_BEGUN:
                del self._begun[next(iter(self._begun))]
        elif known.ask != ask:
            raise FixInput(f"client id {ask.client_id}: already used for {known.ask}, not {ask}")
        return known

    async def find(self, client_id: str) -> Intent | None:
        """What was asked for under a client id, here or by the journal; None where nothing was.

        While the journal cannot be read, an order of a former run is what the venue last told of
        it, and older than any search.

        Raises:
            StoreUnavailable: Only the journal could tell.
        """
        begun = self._begun.get(client_id)
        if begun is not None:
            return begun
        try:
            return await self.store.intent(client_id)
        except StoreUnavailable as error:
            self.note(f"{client_id} is not looked up in the journal", error)
            guard = self.intake.guard
            if (order := guard.order(client_id)) is not None:
                return Intent(NewOrder(client_id, order.symbol, 0, 0), 0)
            if (t := guard.trigger(client_id)) is None:
                raise
            qty, ticks = t.qty_steps, t.trigger_ticks
            return Intent(NewTrigger(client_id, t.symbol, t.side, qty, ticks, on_mark=t.on_mark), 0)

    async def sent_s_ago(self, client_id: str) -> float:
        """Seconds since something was sent; infinite where nobody can tell."""
        try:
            return self.age_s(await self.find(client_id))
        except StoreUnavailable:
            return math.inf

    def note(self, what: str, error: StoreUnavailable) -> None:
        """Say that the journal is down."""
        _LOG.error("%s: %s", what, error)
        self.intake.problems.append(f"journal: {error}")

    async def send(
        self, method: str, params: Mapping[str, Any], urgency: Urgency,
        heard: asyncio.Future[OrderView] | None = None, orders: int = 1,
    ) -> Any:  # fmt: skip
        """Send once; the answer is waited for ``answer_s``, less once ``heard`` has come.

        Raises:
            CallFailed: Refused, or no answer in time: the request goes on, its answer is dropped.
        """
        request = asyncio.create_task(
            self.link.call(
                method,
                params,
                weight=1 - orders,
                orders=orders,
                urgency=urgency,
                patience_s=PATIENCE_S,
            )
        )
        wanted: set[asyncio.Future[Any]] = {request} if heard is None else {request, heard}
        wait_s = self.truth.policy.answer_s + self.link.budget.wait_s(0, orders, urgency)
        await asyncio.wait(wanted, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        if not request.done() and heard is not None and heard.done():
            await asyncio.wait({request}, timeout=GRACE_S)
        if request.done():
            return request.result()
        self._late.add(request)
        request.add_done_callback(self._forget)
        lost = Failure(text=f"no answer in {wait_s:.1f} s", cause=Cause.LOST)
        raise CallFailed(method, classify(lost))

    def age_s(self, intent: Intent | None) -> float:
        """Seconds since an intent was written; one that nobody wrote is older than any search."""
        if intent is None:
            return math.inf
        return max(0.0, (self.link.clock.now_ms() - intent.created_ms) / 1e3)

    async def close(self) -> None:
        """Drop answers that are still awaited, finish what is being written."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        await self.flush()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._late.discard(task)
        with contextlib.suppress(BaseException):
            task.exception()

    def settle(self, client_id: str, answer: Answer[Any]) -> None:
        """Note what became of an intent; nobody waits, a lost note is found out at the restart."""
        number = getattr(answer.view, "order_id", 0) or getattr(answer.view, "algo_id", 0)
        note = self.store.settle_intent(
            client_id, _STATE[answer.outcome], venue_id=number, code=answer.code,
            text=answer.text[:300], at_ms=self.link.clock.now_ms(),
        )  # fmt: skip
        self.later(note)

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Write to the journal beside what comes next."""
        task = asyncio.ensure_future(work)
        self._writing.add(task)
        task.add_done_callback(self._written)

    async def flush(self) -> None:
        """Wait until everything begun is written."""
        while self._writing:
            await asyncio.gather(*self._writing, return_exceptions=True)

    def _written(self, task: asyncio.Task[Any]) -> None:
        self._writing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("not written to the journal: %s", error)
            self.intake.problems.append(f"journal: {error}")


class Orders:
    """Places, changes and cancels orders."""

    def __init__(self, outbox: Outbox) -> None:
        self._out = outbox
        self._link, self._intake, self._truth = outbox.link, outbox.intake, outbox.findings

    async def place(self, ask: NewOrder) -> Answer[OrderView]:
        """Send an order once; the same client id a second time asks only."""
        known = await self._out.begin(ask)
        if known is not None and known.state in ENDED:
            return as_written(known)
        if known is None:
            answer = await self._send(ask)
        else:
            answer = await self._truth.order(ask, age_s=self._out.age_s(known))
        self._out.settle(ask.client_id, answer)
        return answer

    async def cancel(self, symbol: str, client_id: str) -> Answer[OrderView]:
        """Cancel an order and find out how it ended."""
        params = {"symbol": symbol, "origClientOrderId": client_id}
        age_s = await self._out.sent_s_ago(client_id)
        for _ in range(CANCEL_TRIES):
            try:
                body = await self._out.send(
                    "fapiPrivateDeleteOrder", params, Urgency.EXIT, orders=0
                )
                return self._accepted(client_id, body, symbol)
            except CallFailed as error:
                if error.what.is_definite:
                    return refused(client_id, error.what)
            except wire.UnreadableAnswer:
                pass
            # Gone, or nobody knows: cancelled by the first of two DELETEs, filled, or still there.
            answer = await self._truth.order(
                NewOrder(client_id, symbol, 0, 0), now=True, age_s=age_s
            )
            if answer.view is None or not answer.view.is_open:
                return answer
        return Answer(Outcome.UNKNOWN, client_id, advice=Advice.VERIFY, text="cancel unanswered")

    async def amend(
        self, symbol: str, client_id: str, qty_steps: int, price_ticks: int
    ) -> Answer[OrderView]:
        """Change total quantity and price; the change may be applied twice without harm."""
        known = self._intake.guard.order(client_id)
        if known is None:
            known_answer = await self._truth.order(NewOrder(client_id, symbol, 0, 0))
            if known_answer.view is None:
                return known_answer
            known = known_answer.view
        instrument = self._out.instruments[symbol]
        params = {
            "symbol": symbol, "origClientOrderId": client_id, "side": side_text(known.side),
            "quantity": wire.text_of(qty_steps, instrument.step),
            "price": wire.text_of(price_ticks, instrument.tick),
        }  # fmt: skip
        try:
            body = await self._link.call(
                "fapiPrivatePutOrder", params, orders=1, urgency=Urgency.ENTRY, patience_s=5.0
            )
            return self._accepted(client_id, body, symbol)
        except CallFailed as error:
            if error.what.is_definite:
                return refused(client_id, error.what)
        except wire.UnreadableAnswer:
            pass
        try:
            view = await self._truth.get_order(symbol, client_id)
        except (CallFailed, wire.UnreadableAnswer) as error:
            return Answer(Outcome.UNKNOWN, client_id, advice=Advice.VERIFY, text=str(error))
        applied = (view.qty_steps, view.price_ticks) == (qty_steps, price_ticks)
        return Answer(Outcome.ACCEPTED if applied else Outcome.ABSENT, client_id, view)

    async def _send(self, ask: NewOrder) -> Answer[OrderView]:
        heard = self._intake.listen(ask.client_id)
        params = order_params(ask, self._out.instruments[ask.symbol])
        urgency = urgency_of(ask.purpose, ask.reduce_only)
        try:
            body = await self._out.send("fapiPrivatePostOrder", params, urgency, heard)
            return self._accepted(ask.client_id, body, ask.symbol)
        except CallFailed as error:
            return await self._judge(ask, error.what)
        except wire.UnreadableAnswer as error:
            return await self._judge(ask, nonsense(str(error)))
        finally:
            self._intake.unlisten(ask.client_id)

    async def _judge(self, ask: NewOrder, what: Classified) -> Answer[OrderView]:
        if what.is_definite:
            return refused(ask.client_id, what)
        answer = await self._truth.order(ask)
        if what.verdict is Verdict.DUPLICATE and answer.outcome is Outcome.ABSENT:
            # The venue said that it has it: a later not-found proves nothing.
            return Answer(Outcome.UNKNOWN, ask.client_id, advice=Advice.VERIFY, text=answer.text)
        return answer

    def _accepted(self, client_id: str, body: Any, symbol: str) -> Answer[OrderView]:
        view = wire.order_view(body, self._out.instruments[symbol])
        self._intake.expect(view)
        self._out.later(self._intake.order(view))
        return Answer(Outcome.ACCEPTED, client_id, view, confirmed=True)


def refused(client_id: str, what: Classified) -> Answer[Any]:
    """A definite no as an answer."""
    failure = what.failure
    return Answer(
        Outcome.REJECTED, client_id, code=failure.code, text=failure.text, advice=what.advice,
        wait_s=failure.retry_after_s,
    )  # fmt: skip


def as_written(intent: Intent) -> Answer[Any]:
    """What the journal says of an intent that ended without an order."""
    return Answer(
        Outcome(intent.state.value), intent.client_id, code=intent.code, text=intent.text
    )  # fmt: skip


def urgency_of(purpose: Purpose, reduce_only: bool) -> Urgency:
    """Whether an order may use the reserve of the budget."""
    return Urgency.ENTRY if purpose is Purpose.ENTRY and not reduce_only else Urgency.EXIT


def side_text(side: int) -> str:
    """The dialect's word for a side."""
    return "BUY" if side > 0 else "SELL"


def order_params(ask: NewOrder, instrument: Instrument) -> dict[str, str]:
    """What is sent for an order; quantities and prices are exact texts."""
    params = {
        "symbol": ask.symbol,
        "side": side_text(ask.side),
        "type": "LIMIT" if ask.price_ticks else "MARKET",
        "quantity": wire.text_of(ask.qty_steps, instrument.step),
        "newClientOrderId": ask.client_id,
        "newOrderRespType": "RESULT",
    }
    if ask.price_ticks:
        params["price"] = wire.text_of(ask.price_ticks, instrument.tick)
        params["timeInForce"] = ask.force.value
    if ask.reduce_only:
        params["reduceOnly"] = "true"
    return params


def check_ask(ask: NewOrder | NewTrigger, instruments: Mapping[str, Instrument]) -> None:
    """Refuse an order that is itself wrong before anything is written or sent.

    Raises:
        FixInput: What is wrong with it.
    """
    problem = ""
    if ask.symbol not in instruments:
        problem = f"contract {ask.symbol!r} is not listed"
    elif ask.side not in (1, -1) or ask.qty_steps <= 0:
        problem = f"side +1 or -1 and a positive quantity, got {ask.side} and {ask.qty_steps}"
    elif not 0 < len(ask.client_id) <= MOST_CHARACTERS:
        problem = f"a client id of 1 to {MOST_CHARACTERS} characters, got {ask.client_id!r}"
    elif isinstance(ask, NewTrigger):
        if ask.trigger_ticks <= 0 or ask.purpose is Purpose.ENTRY:
            problem = f"a positive trigger and a purpose that reduces, got {ask}"
    elif ask.price_ticks < 0 or (ask.price_ticks == 0 and ask.force is not Force.GTC):
        problem = f"market orders have no price and no force, got {ask}"
    if problem:
        raise FixInput(f"order {ask.client_id}: {problem}")
