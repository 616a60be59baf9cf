"""Everything a run keeps on disk: state folder, database, lock, journal and store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from runtime.journal.sql_journal import SqlJournal
from runtime.store.addresses import database_url
from runtime.store.database import Database, open_database
from runtime.store.run_lock import RunLock
from runtime.store.sql_store import SqlStore
from runtime.wiring.plan import TradePlan
from runtime.wiring.state_folder import StateFolder, note_run


@dataclass(frozen=True)
class Kept:
    """What ``keep`` opened."""

    folder: StateFolder
    journal: SqlJournal
    store: SqlStore
    database: Database

    @property
    def name(self) -> str:
        """Address of the database, without its password."""
        return self.database.name


@contextmanager
def keep(
    plan: TradePlan, folder: StateFolder, *, threaded: bool = True, durable: bool = True
) -> Iterator[Kept]:
    """Open the journal's database for this run alone; journal and store share it.

    Raises:
        FixInput: Another runtime trades with it.
        RefusedArtifact, DamagedArtifact, StoreUnavailable: See ``open_database``.
    """
    url = database_url(folder.path, plan.database_url)
    with ExitStack() as stack:
        database = open_database(url, threaded=threaded, durable=durable)
        stack.callback(database.close)
        stack.enter_context(RunLock(database, plan.account_name))
        note_run(folder.path, plan)
        yield Kept(folder, SqlJournal(database, plan.journal), SqlStore(database), database)
