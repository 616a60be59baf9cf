"""Entries at once: from the first to the last order acknowledged, through ccxt, intents on disk.

    python benchmarks/runtime_sending.py [--orders 10] [--rounds 20]

The exchange runs in a process of its own. The hard limits allow ten positions, so ten entries at a
close; fifty show what a limit of fifty would cost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runtime.adapters.ccxt_factory import make_exchange
from runtime.adapters.ccxt_venue import CcxtVenue
from runtime.adapters.client_ids import client_id
from runtime.adapters.clocks import SystemClock
from runtime.adapters.rate_budget import BudgetLimits, RateBudget
from runtime.port_values import NewOrder, Outcome, Purpose
from runtime.store.database import open_database
from runtime.store.sql_store import SqlStore

ROOT = Path(__file__).resolve().parent.parent
PORT = 18_980
URL = f"http://127.0.0.1:{PORT}"
SYMBOLS = tuple(f"S{k:02d}USDT" for k in range(50))
WIDE = BudgetLimits(weight_1m=10**7, orders_1m=10**7, orders_10s=10**7)


async def rounds_of(url: str, folder: Path, orders: int, rounds: int) -> list[float]:
    """Milliseconds of each round of market orders, entries and reductions in turn."""
    database = open_database(f"sqlite:///{folder / 'journal.db'}")
    clock = SystemClock()
    store = SqlStore(database)
    venue = CcxtVenue(
        make_exchange("local", url=url), store, SYMBOLS, clock=clock,
        budget=RateBudget(clock, WIDE),
    )  # fmt: skip
    await venue.open()
    await asyncio.gather(*(venue.set_leverage(name, 20) for name in SYMBOLS))
    taken = []
    for n in range(rounds):
        exits = bool(n % 2)
        asks = [
            NewOrder(
                client_id(f"bench:{name}:{n}", Purpose.EXIT if exits else Purpose.ENTRY), name,
                -1 if exits else 1, 100, reduce_only=exits,
                purpose=Purpose.EXIT if exits else Purpose.ENTRY,
            )
            for name in SYMBOLS[:orders]
        ]  # fmt: skip
        begun = time.perf_counter()
        answers = await asyncio.gather(*(venue.place(ask) for ask in asks))
        taken.append(1e3 * (time.perf_counter() - begun))
        wrong = [a for a in answers if a.outcome is not Outcome.ACCEPTED]
        if wrong:
            raise SystemExit(f"round {n}: {len(wrong)} orders were not accepted: {wrong[0].text}")
        await asyncio.sleep(0.3)
        venue.take_events()
    await venue.close()
    database.close()
    return taken


def main() -> None:
    """Start an exchange, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=20, help="rounds [count, default 20]")
    parser.add_argument("--orders", type=int, default=10, help="orders at once [count, default 10]")
    args = parser.parse_args()
    command = [
        sys.executable, "-m", "runtime", "exchange", "--symbols", ",".join(SYMBOLS), "--port",
        str(PORT), "--speed", "1", "--limits", "none",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            for _ in range(600):
                time.sleep(0.5)
                try:
                    with socket.create_connection(("127.0.0.1", PORT), timeout=1.0):
                        break
                except OSError:
                    continue
            taken = asyncio.run(rounds_of(URL, Path(folder), args.orders, args.rounds))
        finally:
            process.terminate()
            process.wait(30)
    late = taken[2:]
    sys.stdout.write(json.dumps({
        "orders": args.orders, "rounds": len(late), "p50_ms": float(np.quantile(late, 0.5)),
        "p99_ms": float(np.quantile(late, 0.99)), "max_ms": max(late),
    }, indent=1) + "\n")  # fmt: skip


if __name__ == "__main__":
    main()
