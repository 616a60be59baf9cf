"""What a close asks of the venue: mark prices of fifty contracts, then entries, all at once.

    python benchmarks/runtime_sending.py [--orders 10] [--rounds 20]

Through ccxt, intents on disk, the exchange in a process of its own. Orders are timed until the last
has left and until all are answered; ``cpu`` is processor time of this process alone. The hard
limits allow ten positions, so ten entries at a close; fifty show what a limit of fifty would cost.
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
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runtime.adapters.ccxt_factory import make_exchange
from runtime.adapters.ccxt_history import mark_bar
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
HOUR_MS = 3_600_000
WARM = 2
"""Rounds at the beginning that do not count."""
WIDE = BudgetLimits(weight_1m=10**7, orders_1m=10**7, orders_10s=10**7)


Times = dict[str, list[float]]


class Watch:
    """Wall and processor milliseconds since the last start, by stage."""

    def __init__(self) -> None:
        self.times: Times = {}
        self._begun = (0.0, 0.0)

    def start(self) -> None:
        """Count from now."""
        self._begun = time.perf_counter(), time.process_time()

    def now(self) -> tuple[float, float]:
        """Milliseconds since the start."""
        wall, cpu = self._begun
        return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)

    def note(self, stage: str, spent: tuple[float, float]) -> None:
        """Keep what a stage took."""
        for name, value in zip(("wall", "cpu"), spent, strict=True):
            self.times.setdefault(f"{stage}_{name}", []).append(value)


async def rounds_of(url: str, folder: Path, orders: int, rounds: int) -> Times:
    """Milliseconds of each round: marks, then market orders, entries and reductions in turn."""
    database = open_database(f"sqlite:///{folder / 'journal.db'}")
    clock, watch = SystemClock(), Watch()
    store = SqlStore(database)
    client = make_exchange("local", url=url)
    sent, fetch = [(0.0, 0.0)], client.fetch

    async def seen(url: str, method: str = "GET", *rest: Any) -> Any:
        if method == "POST":
            sent[0] = watch.now()
        return await fetch(url, method, *rest)

    client.fetch = seen
    venue = CcxtVenue(client, store, SYMBOLS, clock=clock, budget=RateBudget(clock, WIDE))
    await venue.open()
    await asyncio.gather(*(venue.set_leverage(name, 20) for name in SYMBOLS))
    for n in range(rounds):
        close_ms = venue.link.venue_now_ms // HOUR_MS * HOUR_MS
        watch.start()
        asked = [mark_bar(venue.link, name, "1h", HOUR_MS, close_ms) for name in SYMBOLS]
        await asyncio.gather(*asked)
        watch.note("marks", watch.now())
        await asyncio.sleep(0.3)
        exits = bool(n % 2)
        asks = [
            NewOrder(
                client_id(f"bench:{name}:{n}", Purpose.EXIT if exits else Purpose.ENTRY), name,
                -1 if exits else 1, 100, reduce_only=exits,
                purpose=Purpose.EXIT if exits else Purpose.ENTRY,
            )
            for name in SYMBOLS[:orders]
        ]  # fmt: skip
        watch.start()
        answers = await asyncio.gather(*(venue.place(ask) for ask in asks))
        watch.note("sent", sent[0])
        watch.note("answered", watch.now())
        wrong = [a for a in answers if a.outcome is not Outcome.ACCEPTED]
        if wrong:
            raise SystemExit(f"round {n}: {len(wrong)} orders were not accepted: {wrong[0].text}")
        await asyncio.sleep(0.3)
        venue.take_events()
    await venue.close()
    database.close()
    return watch.times


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
    out: dict[str, Any] = {"orders": args.orders, "rounds": args.rounds - WARM}
    for stage, values in taken.items():
        late = values[WARM:]
        out[f"{stage}_ms"] = {
            "p50": float(np.quantile(late, 0.5)), "p99": float(np.quantile(late, 0.99)),
            "max": max(late),
        }  # fmt: skip
    sys.stdout.write(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
