"""Stops and take-profits at the venue: placed, read back, replaced without a gap, cancelled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runtime.adapters import wire
from runtime.adapters.ccxt_errors import Verdict
from runtime.adapters.ccxt_link import CallFailed
from runtime.adapters.ccxt_orders import CANCEL_TRIES, ENDED, Outbox, as_written, refused, side_text
from runtime.adapters.ccxt_truth import agrees
from runtime.adapters.rate_budget import Urgency
from runtime.port_values import Advice, Answer, NewTrigger, Outcome, Replaced, TriggerView

READ_BACK_TRIES = 3
READ_BACK_WAIT_S = 0.1


class Triggers:
    """Places and cancels conditional orders; all of them reduce-only and with their quantity."""

    def __init__(self, outbox: Outbox) -> None:
        self._out = outbox
        self._link, self._intake, self._truth = outbox.link, outbox.intake, outbox.findings

    async def place(self, ask: NewTrigger) -> Answer[TriggerView]:
        """Send it once and read it back; the same client id a second time asks only."""
        known = await self._out.begin(ask)
        if known is not None and known.state in ENDED:
            return as_written(known)
        if known is None:
            answer = await self._send(ask)
        else:
            answer = await self._truth.trigger(ask, age_s=self._out.age_s(known))
        self._out.settle(ask.client_id, answer)
        return answer

    async def cancel(self, symbol: str, client_id: str) -> Answer[TriggerView]:
        """Cancel it and find out how it ended; a view with a child says that it fired."""
        text, age_s = "", await self._out.sent_s_ago(client_id)
        for _ in range(CANCEL_TRIES):
            try:
                await self._out.send(
                    "fapiPrivateDeleteAlgoOrder", {"symbol": symbol, "clientAlgoId": client_id},
                    Urgency.EXIT, orders=0,
                )  # fmt: skip
            except CallFailed as error:
                if error.what.is_definite:
                    return refused(client_id, error.what)
                text = str(error)
            # The answer to a cancel tells no state: ask, whatever it was.
            nameless = NewTrigger(client_id, symbol, 0, 0, 0)
            answer = await self._truth.trigger(nameless, age_s=age_s)
            if answer.outcome is Outcome.UNKNOWN:
                return answer
            if answer.view is None or not answer.view.is_open:
                return replace(answer, confirmed=answer.view is not None)
        return Answer(Outcome.UNKNOWN, client_id, advice=Advice.VERIFY, text=text or "still open")

    async def replace(self, old_client_id: str, new: NewTrigger) -> Replaced:
        """Place and confirm the new one, then cancel the old."""
        placed = await self.place(new)
        if placed.outcome is not Outcome.ACCEPTED or not placed.confirmed:
            return Replaced(placed, None)
        return Replaced(placed, await self.cancel(new.symbol, old_client_id))

    async def _send(self, ask: NewTrigger) -> Answer[TriggerView]:
        try:
            body = await self._out.send("fapiPrivatePostAlgoOrder", self._params(ask), Urgency.EXIT)
            view = wire.trigger_view(body, self._out.instruments[ask.symbol])
        except CallFailed as error:
            if error.what.is_definite:
                return refused(ask.client_id, error.what)
            answer = await self._truth.trigger(ask)
            if error.what.verdict is Verdict.DUPLICATE and answer.outcome is Outcome.ABSENT:
                return Answer(Outcome.UNKNOWN, ask.client_id, advice=Advice.VERIFY)
            return answer
        except wire.UnreadableAnswer:
            return await self._truth.trigger(ask)
        self._intake.expect(view)
        await self._out.unhindered.trigger(view)
        return await self._read_back(ask, view)

    async def _read_back(self, ask: NewTrigger, view: TriggerView) -> Answer[TriggerView]:
        """Believe a stop only when it was seen; the venue sometimes forgets one for a while."""
        text = ""
        for attempt in range(READ_BACK_TRIES):
            if attempt:
                await self._link.clock.sleep(READ_BACK_WAIT_S * 2**attempt)
            try:
                view = await self._truth.get_trigger(ask.symbol, ask.client_id)
            except (CallFailed, wire.UnreadableAnswer) as error:
                text = str(error)
                continue
            seen = agrees(view, ask)
            return Answer(
                Outcome.ACCEPTED, ask.client_id, view, confirmed=seen,
                text="" if seen else f"rests differently: {view}",
            )  # fmt: skip
        return Answer(
            Outcome.ACCEPTED, ask.client_id, view, advice=Advice.VERIFY,
            text=f"accepted but not read back: {text}",
        )  # fmt: skip

    def _params(self, ask: NewTrigger) -> dict[str, Any]:
        instrument = self._out.instruments[ask.symbol]
        return {
            "algoType": "CONDITIONAL",
            "symbol": ask.symbol,
            "side": side_text(ask.side),
            "type": "TAKE_PROFIT_MARKET" if ask.takes_profit else "STOP_MARKET",
            "quantity": wire.text_of(ask.qty_steps, instrument.step),
            "triggerPrice": wire.text_of(ask.trigger_ticks, instrument.tick),
            "clientAlgoId": ask.client_id,
            "reduceOnly": "true",
            "workingType": "MARK_PRICE" if ask.on_mark else "CONTRACT_PRICE",
        }
