"""``ports.Store`` in a database: SQLite with a write-ahead log by default, PostgreSQL by URL.

All statements run on the database's worker thread, so that the event loop never waits for the
disk; an in-process venue may have them run inline, then its coroutines never suspend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy import Connection, Insert, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from runtime.port_errors import StoreUnavailable
from runtime.port_values import Fill, Intent, IntentState, OrderView, TriggerView
from runtime.store.database import Database, open_database
from runtime.store.rows import ORDER, ask_of, kind_of, to_text, view_of
from runtime.store.tables import confirmed, fills, intents, orders

_OPEN_STATES = (IntentState.PENDING.value, IntentState.UNKNOWN.value)
# Made once: putting a statement together takes longer than carrying it out.
_NEW_INTENT, _NEW_ORDER, _NEW_FILL = insert(intents), insert(orders), insert(fills)
_SETTLED = (
    update(intents)
    .where(intents.c.client_id == bindparam("of_client_id"))
    .values({name: bindparam(name) for name in ("state", "venue_id", "code", "text", "settled_ms")})
)
_CHANGED_ORDER = (
    update(orders)
    .where(orders.c.kind == bindparam("of_kind"), orders.c.venue_id == bindparam("of_venue_id"))
    .values({
        name: bindparam(name)
        for name in ("client_id", "symbol", "status", "is_open", "view", "updated_ms")
    })
)  # fmt: skip
T = TypeVar("T")
Row = Mapping[str, Any]


class SqlStore:
    """Intents, orders and fills in a database.

    Args:
        database: one that is open, shared with the journal and closed by its owner; or a URL, then
            ``open`` and ``close`` are of this store alone.
        threaded: run statements on a worker thread (URL only).
        durable: see ``open_database`` (URL only).
    """

    def __init__(
        self, database: Database | str, *, threaded: bool = True, durable: bool = True
    ) -> None:
        self._url = database if isinstance(database, str) else ""
        self._database = None if isinstance(database, str) else database
        self._threaded, self._durable = threaded, durable
        self._begun: list[tuple[Row, asyncio.Future[bool]]] = []

    async def open(self) -> None:
        """Open or create the database of a URL; see ``open_database`` for what it raises."""
        if not self._url or self._database is not None:
            return

        def opened() -> Database:
            return open_database(self._url, threaded=self._threaded, durable=self._durable)

        self._database = await asyncio.to_thread(opened) if self._threaded else opened()

    async def close(self) -> None:
        """Close the database of a URL; open it again to go on."""
        if self._url and self._database is not None:
            self._write_begun()
            database, self._database = self._database, None
            if self._threaded:
                await asyncio.to_thread(database.close)
            else:
                database.close()

    async def save_intent(self, intent: Intent) -> bool:
        """Write an intent down; False when this client id is already there, unchanged then.

        Intents that come at once are written by one statement, and wait for the disk once.
        """
        row = {
            "client_id": intent.client_id, "kind": kind_of(intent.ask),
            "symbol": intent.ask.symbol, "ask": to_text(intent.ask),
            "created_ms": intent.created_ms, "state": intent.state.value,
            "venue_id": intent.venue_id, "code": intent.code, "text": intent.text,
            "settled_ms": intent.settled_ms,
        }  # fmt: skip
        if not self._opened().is_threaded:
            return await self._insert(_NEW_INTENT, row)
        loop = asyncio.get_running_loop()
        written: asyncio.Future[bool] = loop.create_future()
        self._begun.append((row, written))
        if len(self._begun) == 1:
            loop.call_soon(self._write_begun)
        return await written

    async def settle_intent(
        self, client_id: str, state: IntentState, *, venue_id: int = 0, code: int = 0,
        text: str = "", at_ms: int = 0,
    ) -> None:  # fmt: skip
        """Note what became of an intent."""
        values = {
            "of_client_id": client_id, "state": state.value, "venue_id": venue_id, "code": code,
            "text": text, "settled_ms": at_ms,
        }  # fmt: skip
        await self._write(lambda db: db.execute(_SETTLED, values))

    async def intent(self, client_id: str) -> Intent | None:
        """One intent."""
        query = select(intents).where(intents.c.client_id == client_id)
        rows = await self._write(lambda db: db.execute(query).mappings().all())
        return _intent_of(rows[0]) if rows else None

    async def open_intents(self) -> tuple[Intent, ...]:
        """Intents whose outcome is not known, oldest first."""
        query = (
            select(intents)
            .where(intents.c.state.in_(_OPEN_STATES))
            .order_by(intents.c.created_ms, intents.c.client_id)
        )
        rows = await self._write(lambda db: db.execute(query).mappings().all())
        return tuple(_intent_of(row) for row in rows)

    async def save_order(self, view: OrderView | TriggerView) -> None:
        """Keep the last state of an order or conditional order."""
        number = view.order_id if isinstance(view, OrderView) else view.algo_id
        row = {
            "client_id": view.client_id, "symbol": view.symbol, "status": view.status.value,
            "is_open": view.is_open, "view": to_text(view), "updated_ms": view.updated_ms,
        }  # fmt: skip
        kind = kind_of(view)

        def write(db: Connection) -> None:
            found = {"of_kind": kind, "of_venue_id": number}
            if db.execute(_CHANGED_ORDER, row | found).rowcount == 0:
                db.execute(_NEW_ORDER, row | {"kind": kind, "venue_id": number})

        await self._write(write)

    async def open_orders(self) -> tuple[OrderView | TriggerView, ...]:
        """Orders and conditional orders that were open when last heard of."""
        query = select(orders.c.kind, orders.c.view).where(orders.c.is_open)
        query = query.order_by(orders.c.kind, orders.c.venue_id)
        rows = await self._write(lambda db: db.execute(query).all())
        return tuple(view_of(kind, text) for kind, text in rows)

    async def order_ids(self, symbol: str) -> Mapping[int, str]:
        """Client id by order number of every order of a contract the journal knows."""
        wanted = (orders.c.symbol == symbol) & (orders.c.kind == ORDER)
        query = select(orders.c.venue_id, orders.c.client_id).where(wanted)
        rows = await self._write(lambda db: db.execute(query).all())
        return {int(number): str(name) for number, name in rows}

    async def add_fill(self, fill: Fill) -> bool:
        """Add a fill; False when its trade number is already there."""
        return await self._insert(_NEW_FILL, asdict(fill))

    async def confirm_trades(self, symbol: str, trade_id: int) -> None:
        """Note that the venue's own history up to this trade number is known."""
        found = confirmed.c.symbol == symbol

        def write(db: Connection) -> None:
            if db.execute(update(confirmed).where(found).values(trade_id=trade_id)).rowcount == 0:
                db.execute(insert(confirmed).values(symbol=symbol, trade_id=trade_id))

        await self._write(write)

    async def confirmed_trade_id(self, symbol: str) -> int | None:
        """The number last confirmed, None in a new journal."""
        query = select(confirmed.c.trade_id).where(confirmed.c.symbol == symbol)
        found = await self._write(lambda db: db.execute(query).scalar())
        return None if found is None else int(found)

    async def fills(self, symbol: str, after: int = 0) -> tuple[Fill, ...]:
        """Every fill of a contract with a greater trade number, in their order."""
        wanted = (fills.c.symbol == symbol) & (fills.c.trade_id > after)
        query = select(fills).where(wanted).order_by(fills.c.trade_id)
        rows = await self._write(lambda db: db.execute(query).mappings().all())
        return tuple(Fill(**row) for row in rows)

    def _write_begun(self) -> None:
        """Begin to write the intents that wait; what nobody waits for any more is left out."""
        begun = [(row, written) for row, written in self._begun if not written.done()]
        self._begun = []
        if not begun:
            return
        rows = [row for row, _ in begun]

        def tell(done: asyncio.Future[list[bool]]) -> None:
            error = None if done.cancelled() else done.exception()
            for at, (_, written) in enumerate(begun):
                if written.done():
                    continue
                if done.cancelled():
                    written.cancel()
                elif error is not None:
                    written.set_exception(error)
                else:
                    written.set_result(done.result()[at])

        working = self._opened().submit(lambda db: _insert_all(db, rows), shared=True)
        asyncio.wrap_future(working).add_done_callback(tell)

    async def _insert(self, statement: Insert, row: Row) -> bool:
        """Insert one row in a transaction of its own; False when its key is there."""

        def work(db: Connection) -> None:
            db.execute(statement, row)

        try:
            await self._write(work)
        except IntegrityError:
            return False
        return True

    async def _write(self, work: Callable[[Connection], T]) -> T:
        """Run statements in a transaction; those that wait together are committed together."""
        # In the order in which they came: whoever asks for an intent finds one begun before.
        self._write_begun()
        return await self._opened().run(work, shared=True)

    def _opened(self) -> Database:
        if self._database is None:
            raise StoreUnavailable("journal: not open")
        return self._database


def _insert_all(db: Connection, rows: Sequence[Row]) -> list[bool]:
    """Insert intents; False for each whose key is there."""
    try:
        with db.begin_nested():
            db.execute(_NEW_INTENT, rows)
    except IntegrityError:
        if len(rows) == 1:
            return [False]
        return [_insert_all(db, [row])[0] for row in rows]
    return [True] * len(rows)


def _intent_of(row: Mapping[Any, Any]) -> Intent:
    return Intent(
        ask_of(row["kind"], row["ask"]), row["created_ms"], IntentState(row["state"]),
        row["venue_id"], row["code"], row["text"], row["settled_ms"],
    )  # fmt: skip
