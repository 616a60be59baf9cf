"""A process that writes a journal until it is killed, and tells what it knows to be on disk."""

from __future__ import annotations

import asyncio
import sys

from runtime.journal.sql_journal import SqlJournal
from runtime.port_values import Intent
from runtime.store.database import open_database
from runtime.store.run_lock import RunLock
from runtime.store.sql_store import SqlStore
from tests.unit.runtime.journal.scenes import candidate, closed, decided
from tests.unit.runtime.store.values import ENTRY


async def main(url: str) -> None:
    database = open_database(url)
    with RunLock(database, "demo"):
        journal, store = SqlJournal(database), SqlStore(database)
        state = await journal.last_state()
        n = 0 if state is None else state["n"]
        while True:
            n += 1
            journal.add(closed(n))
            journal.add(decided(*candidate(n)))
            await journal.commit(lambda n=n: {"n": n})
            await store.save_intent(Intent(type(ENTRY)(f"c{n}", "A", 1, 1), n))
            print(n, flush=True)


asyncio.run(main(sys.argv[1]))
