"""Requests of operators to the emergency stop, beside the journal: any process may add one.

Their numbers only rise; the trader's own state says which one it carried out last, so each is
carried out once, also when the trader is killed in between.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from envs.core.errors import DamagedArtifact
from runtime.store.database import Database
from runtime.store.tables import stop_requests as requests
from runtime.subsystems.stop_requests import Ask, StopRequest

_NUMBER = requests.c.number


class StopRequests:
    """The requests in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, request: StopRequest) -> int:
        """Add a request; returns its number, its own one counts for nothing. Blocks.

        Raises:
            StoreUnavailable: It was not written.
        """
        row = {
            "ask": request.ask.value, "level": request.level, "by_whom": request.by,
            "note": request.note, "asked_ns": request.asked_ns,
        }  # fmt: skip

        def work(db: Connection) -> int:
            made = insert(requests).values(row).returning(requests.c.number)
            return int(db.execute(made).scalar_one())

        return self._database.run_now(work)

    async def after(self, number: int) -> tuple[StopRequest, ...]:
        """Requests with a greater number, in order.

        Raises:
            StoreUnavailable: They cannot be read.
            DamagedArtifact: One of them is not what ``put`` wrote.
        """
        return await self._database.run(lambda db: _after(db, number))

    def after_now(self, number: int) -> tuple[StopRequest, ...]:
        """The same, blocking."""
        return self._database.run_now(lambda db: _after(db, number))


def _after(db: Connection, number: int) -> tuple[StopRequest, ...]:
    wanted = select(requests).where(requests.c.number > number).order_by(requests.c.number)
    try:
        return tuple(
            StopRequest(r.number, Ask(r.ask), r.by_whom, r.note, r.asked_ns, r.level)
            for r in db.execute(wanted)
        )
    except ValueError as error:
        raise DamagedArtifact(f"requests to the emergency stop: {error}") from error
