"""Everything a run keeps on disk: state folder, database, lock, journal and store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from envs.core.errors import RefusedArtifact
from runtime.journal.sql_journal import SqlJournal
from runtime.store.addresses import database_url, file_of, parsed_url
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
    plan: TradePlan, folder: StateFolder, *, threaded: bool = True, durable: bool = True,
    noted: bool = True,
) -> Iterator[Kept]:  # fmt: skip
    """Open the journal's database for this run alone; journal and store share it.

    ``noted``: write down what the state belongs to and the command.

    Raises:
        FixInput: Another runtime trades with it.
        RefusedArtifact: The folder's run had a journal, and it is gone.
        DamagedArtifact, StoreUnavailable: See ``open_database``.
    """
    url = database_url(folder.path, plan.database_url)
    file = file_of(parsed_url(url))
    if folder.resumed and file is not None and not file.exists():
        raise RefusedArtifact(
            f"--state {folder.path}: its journal {file} is gone, and with it what is known of its "
            "positions: restore it, or give another --state after the account is flat"
        )
    with ExitStack() as stack:
        # A run that goes on never begins a new journal by mistake.
        database = open_database(url, create=not folder.resumed, threaded=threaded, durable=durable)
        stack.callback(database.close)
        stack.enter_context(RunLock(database, plan.account_name))
        if noted:
            note_run(folder.path, plan)
        yield Kept(folder, SqlJournal(database, plan.journal), SqlStore(database), database)
