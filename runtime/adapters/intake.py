"""Where everything heard of the account comes together: guarded, written down, then told."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

from envs.core.instrument import Instrument
from runtime.adapters import wire
from runtime.adapters.client_ids import is_ours
from runtime.adapters.event_guard import EventGuard
from runtime.port_errors import StoreUnavailable
from runtime.port_events import (
    Filled,
    MarginCall,
    ModeChanged,
    OrderChanged,
    TriggerChanged,
    VenueEvent,
    WalletChanged,
)
from runtime.port_values import Fill, OrderView, TriggerView
from runtime.ports import Clock, Store

_LOG = logging.getLogger(__name__)
_MOST_PROBLEMS, _MOST_COUNTED = 100, 10_000


class Intake:
    """One way in for stream and REST; events leave in the order in which they were admitted.

    Attributes:
        guard: how far everything is.
        problems: messages that could not be read, the last hundred.
        in_doubt: a fill was told without a fee in ``asset``: REST must tell it.
    """

    def __init__(
        self, instruments: Mapping[str, Instrument], store: Store, guard: EventGuard, clock: Clock,
        asset: str = "USDT",
    ) -> None:  # fmt: skip
        self._instruments, self._store, self.guard = instruments, store, guard
        self._clock, self._asset = clock, asset
        self.in_doubt = False
        self.problems: deque[str] = deque(maxlen=_MOST_PROBLEMS)
        self._events: deque[VenueEvent] = deque()
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self._listeners: dict[str, asyncio.Future[OrderView]] = {}
        self._expected: dict[str, tuple[float, int, int]] = {}
        self._filled: OrderedDict[int, int] = OrderedDict()
        self._wallets: OrderedDict[tuple[Any, ...], None] = OrderedDict()
        self._spoken: OrderedDict[str, str] = OrderedDict()

    def emit(self, event: VenueEvent) -> None:
        """Tell something."""
        self._events.append(event)
        self._wake.set()

    def take(self) -> tuple[VenueEvent, ...]:
        """What was told since the last call."""
        taken = tuple(self._events)
        self._events.clear()
        self._wake.clear()
        return taken

    async def wait(self, timeout_s: float) -> bool:
        """Wait for something to take."""
        if self._events:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    def listen(self, client_id: str) -> asyncio.Future[OrderView]:
        """A future with the first state the stream tells of an order."""
        return self._listeners.setdefault(
            client_id, asyncio.get_running_loop().create_future()
        )  # fmt: skip

    def unlisten(self, client_id: str) -> None:
        """Nobody waits for this order any more."""
        future = self._listeners.pop(client_id, None)
        if future is not None:
            future.cancel()

    def expect(self, view: OrderView | TriggerView) -> None:
        """REST has told this: the stream must tell it too, its fills included."""
        if not getattr(view, "filled_steps", 0) and self._spoken.get(view.client_id) == view.status:
            return
        number, filled = 0, 0
        if isinstance(view, OrderView):
            number, filled = view.order_id, view.filled_steps
            if filled and self._filled.get(number, 0) >= filled:
                return
        self._expected[view.client_id] = (self._clock.monotonic_s(), number, filled)

    @property
    def is_expecting(self) -> bool:
        """Whether the stream has yet to tell what REST has told, fills included."""
        return bool(self._expected)

    async def knows(self, raw: Mapping[str, Any]) -> bool:
        """Whether a message of the user stream has been told, by the stream or by REST.

        Of a change of the wallet, which has no number, whether one like it was told.

        Raises:
            UnreadableAnswer: It cannot be read.
        """
        kind, guard = raw.get("e"), self.guard
        # What is admitted is told a moment later, when it is written down.
        async with self._lock:
            if kind == "ORDER_TRADE_UPDATE":
                o = raw["o"]
                instrument = self._instruments[o["s"]]
                fill = wire.stream_fill(o, instrument)
                known = guard.knows_order(wire.stream_order(o, instrument))
                return known and (fill is None or guard.knows_fill(fill))
            if kind == "ALGO_UPDATE":
                o = raw["o"]
                view = wire.stream_trigger(o, self._instruments[o["s"]], wire.whole(raw, "T"))
                return guard.knows_trigger(view)
            return kind != "ACCOUNT_UPDATE" or _wallet_key(raw) in self._wallets

    def overdue(self, patience_s: float) -> str | None:
        """An order that the stream should have told of by now; forgets it."""
        now_s = self._clock.monotonic_s()
        for client_id, (since_s, _, _) in self._expected.items():
            if now_s - since_s > patience_s:
                del self._expected[client_id]
                return client_id
        return None

    def forget_expected(self) -> None:
        """Nothing is expected of a stream that is down."""
        self._expected.clear()

    async def order(self, view: OrderView) -> bool:
        """Take in the state of an order; False when it is not news."""
        async with self._lock:
            before = self.guard.order_numbered(view.order_id)
            if not self.guard.admit_order(view):
                return False
            await self._save(view, before)
            self.emit(OrderChanged(view))
            return True

    async def trigger(self, view: TriggerView) -> bool:
        """Take in the state of a conditional order; False when it is not news."""
        async with self._lock:
            before = self.guard.trigger_numbered(view.algo_id)
            if not self.guard.admit_trigger(view):
                return False
            await self._save(view, before)
            self.emit(TriggerChanged(view))
            return True

    async def fill(self, fill: Fill, client_id: str = "") -> bool:
        """Take in a fill; False when it was counted before."""
        async with self._lock:
            if not self.guard.admit_fill(fill):
                return False
            try:
                # Already there: its writing was interrupted after all, and it was never told.
                await self._store.add_fill(fill)
            except BaseException:
                self.guard.retract_fill(fill)
                raise
            if not client_id:
                known = self.guard.order_numbered(fill.order_id)
                client_id = known.client_id if known else ""
            self._count(fill, client_id)
            self.emit(Filled(fill, client_id))
            return True

    async def message(self, raw: Mapping[str, Any]) -> bool:
        """Take in a message of the user stream; False when it was not understood or not kept."""
        try:
            await self._digest(str(raw.get("e")), raw)
        except (
            wire.UnreadableAnswer, StoreUnavailable, KeyError, TypeError, AttributeError
        ) as error:  # fmt: skip
            told = f"{raw.get('e')}: {type(error).__name__}: {error}"
            self.problems.append(told)
            _LOG.warning("message of the user stream not taken in: %s", told)
            return False
        return True

    async def _save(
        self, view: OrderView | TriggerView, before: OrderView | TriggerView | None
    ) -> None:
        try:
            await self._store.save_order(view)
        except BaseException:
            self.guard.retract(view, before)
            raise

    async def _digest(self, kind: str, raw: Mapping[str, Any]) -> None:
        if kind == "ORDER_TRADE_UPDATE":
            await self._order_message(raw["o"])
        elif kind == "ALGO_UPDATE":
            o = raw["o"]
            view = wire.stream_trigger(o, self._instruments[o["s"]], wire.whole(raw, "T"))
            self._told(view)
            await self.trigger(view)
        elif kind == "ACCOUNT_UPDATE":
            self.emit(self._wallet(raw))
            self._wallets[_wallet_key(raw)] = None
            if len(self._wallets) > _MOST_PROBLEMS:
                self._wallets.popitem(last=False)
        elif kind == "ACCOUNT_CONFIG_UPDATE" and "ac" in raw:
            ac = raw["ac"]
            self.emit(ModeChanged(ac["s"], wire.whole(ac, "l"), wire.whole(raw, "T")))
        elif kind == "MARGIN_CALL":
            self.emit(MarginCall(tuple(str(p["s"]) for p in raw["p"]), wire.whole(raw, "E")))

    async def _order_message(self, o: Mapping[str, Any]) -> None:
        instrument = self._instruments[o["s"]]
        view, fill = wire.stream_order(o, instrument), wire.stream_fill(o, instrument)
        self._told(view)
        listener = self._listeners.get(view.client_id)
        if listener is not None and not listener.done():
            listener.set_result(view)
        await self.order(view)
        if fill is not None and o.get("N") == self._asset:
            await self.fill(fill, view.client_id)
        elif fill is not None:
            self.in_doubt = True
        if not is_ours(view.client_id):
            _LOG.info("an order that is not ours: %s %s", view.symbol, view.client_id)

    def _told(self, view: OrderView | TriggerView) -> None:
        """The stream speaks of it: enough, unless fills are still to come."""
        client_id = view.client_id
        self._spoken[client_id] = view.status
        self._spoken.move_to_end(client_id)
        if len(self._spoken) > _MOST_COUNTED:
            self._spoken.popitem(last=False)
        if self._expected.get(client_id, (0.0, 0, 1))[2] == 0:
            self._expected.pop(client_id, None)

    def _count(self, fill: Fill, client_id: str) -> None:
        told = self._filled.get(fill.order_id, 0) + fill.qty_steps
        self._filled[fill.order_id] = told
        self._filled.move_to_end(fill.order_id)
        if len(self._filled) > _MOST_COUNTED:
            self._filled.popitem(last=False)
        if client_id in self._expected and told >= self._expected[client_id][2]:
            del self._expected[client_id]

    def _wallet(self, raw: Mapping[str, Any]) -> WalletChanged:
        a = raw["a"]
        moved = {
            p["s"]: wire.steps(p, "pa", self._instruments[p["s"]]) for p in a.get("P", ())
        }  # fmt: skip
        wallets = {str(b["a"]): wire.units(b, "wb") for b in a.get("B", ())}
        return WalletChanged(str(a.get("m", "")), wallets, moved, wire.whole(raw, "T"))


def _wallet_key(raw: Mapping[str, Any]) -> tuple[Any, ...]:
    a = raw["a"]
    return raw.get("T"), a.get("m"), *(p.get("s") for p in a.get("P", ()))
