"""``python -m tests.chaos.cold``: a life that begins as production does, from nothing.

First aid comes before the libraries of a runtime are loaded, as in ``runtime.trade_cli``.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from pathlib import Path

from tests.chaos.files import ERROR, FIRST, note


async def _first_aid(folder: Path, rest: str) -> None:
    from runtime.adapters.ccxt_factory import make_exchange
    from runtime.journal.sql_journal import SqlJournal
    from runtime.store.database import open_database
    from runtime.store.sql_store import SqlStore
    from runtime.wiring.first_aid import aid

    database = open_database(f"sqlite:///{folder / 'journal.db'}", create=False, durable=False)
    try:
        journal, store = SqlJournal(database), SqlStore(database)
        sent = await aid(lambda: make_exchange("local", url=rest), journal, store)
    finally:
        database.close()
    note(folder / FIRST, {"at": time.time(), "cpu_s": time.process_time(), "sent": sent})


def main(folder: Path, seed: int, rest: str, control: str) -> None:
    """Recover if there is anything to recover, and trade by the clock until SIGTERM."""
    if (folder / "journal.db").exists():
        try:
            asyncio.run(_first_aid(folder, rest))
        except BaseException:
            (folder / ERROR).write_text(traceback.format_exc(), encoding="utf-8")
            raise
    from tests.chaos.child import Life, live_by_clock
    from tests.chaos.clock_plan import plan_of

    live_by_clock(Life(plan_of(seed, folder), rest, control))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
