"""The same period traded twice by the runtime: agents that go on learning, and frozen ones.

    python benchmarks/online_learning.py --bundle DIR [--data DIR] [--start DATE] [--end DATE]

Other options are handed on to ``python -m runtime trade --venue sim``. The difference is paired per
candidate (0 where nothing was opened) with a stationary bootstrap of UTC days.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from envs.core.rules.rounding import from_units
from envs.core.trade import ClosedTrade
from runtime import trade_cli
from runtime.kernel_ports import Record
from runtime.wiring.asking import plan_of
from runtime.wiring.opening import open_trader
from training.scores import bootstrap_difference, costs_of, max_drawdown


@dataclass
class Run:
    """What one run came to, by candidate."""

    times: dict[str, int] = field(default_factory=dict)
    opened: int = 0
    trades: list[ClosedTrade] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    digest: str = ""
    weights: tuple[float, ...] = ()
    bars_per_s: float = 0.0
    start: float = 0.0

    def rewards(self, names: Sequence[str]) -> Any:
        """Log growth of each candidate's position, 0 where none was opened."""
        by_id = {t.decision_id: t.log_growth for t in self.trades}
        return np.array([by_id.get(name, 0.0) for name in names])


async def ride(argv: Sequence[str], *, learn: bool, state: Path) -> Run:
    """One full-system backtest."""
    parser = argparse.ArgumentParser()
    trade_cli.add_arguments(parser)
    asked = [*argv, "--venue", "sim", "--state", str(state), "--view", "none"]
    args = parser.parse_args([*asked, "--learn" if learn else "--no-learn"])
    plan = plan_of(args, asked, os.environ, datetime.now(UTC))
    run = Run()
    async with open_trader(plan) as trader:
        account = trader.kernel.context.books.account

        def see(record: Record) -> None:
            if record.kind == "decision":
                decision = record.body["decision"]
                run.times[decision.decision_id] = decision.bar_close_ns
                run.opened += decision.qty_steps > 0
            elif record.kind == "bar":
                run.equity.append(account.equity_quote())

        trader.kernel.observe(see, ("bar", "decision"))
        begun = time.perf_counter()
        await trader.run()
        run.bars_per_s = len(run.equity) / (time.perf_counter() - begun)
        run.start = from_units(account.start_units)
        run.equity.append(account.equity_quote())
        run.trades = list(trader.kernel.trades)
        run.digest = trader.learning.agent.digest()
        run.weights = tuple(float(w) for w in trader.signals.manager.raw_weights())
    return run


def compare(learning: Run, frozen: Run, seed: int) -> dict[str, Any]:
    """Both runs side by side, and their difference per candidate."""
    times = {**frozen.times, **learning.times}
    names = sorted(times, key=lambda name: (times[name], name))
    when = np.array([times[name] for name in names], dtype=np.int64)
    gap = bootstrap_difference(learning.rewards(names), frozen.rewards(names), when, seed)
    return {
        "candidates": len(names),
        "difference_per_candidate": {"mean": gap.mean, "low": gap.low, "high": gap.high},
        "learning": figures(learning), "frozen": figures(frozen),
    }  # fmt: skip


def figures(run: Run) -> dict[str, Any]:
    """Plain numbers of one run."""
    costs, r = costs_of(run.trades), [t.r_net for t in run.trades]
    return {
        "trades": len(run.trades), "net_quote": costs.net, "fees_quote": costs.fees,
        "funding_quote": costs.funding, "mean_r_net": float(np.mean(r)) if r else float("nan"),
        "log_growth": float(np.log(run.equity[-1] / run.start)),
        "max_drawdown": max_drawdown(np.array(run.equity)), "table": run.digest[:12],
        "weights": [round(w, 4) for w in run.weights], "bars_per_s": round(run.bars_per_s),
    }  # fmt: skip


def show(console: Console, found: dict[str, Any]) -> None:
    """Print both columns."""
    table = Table(title=f"{found['candidates']:,} candidates, the same bars and votes")
    for name in ("", "learning on", "learning off"):
        table.add_column(name, justify="left" if not name else "right")
    for key, a in found["learning"].items():
        b = found["frozen"][key]
        table.add_row(key, *(f"{x:,.4f}" if isinstance(x, float) else str(x) for x in (a, b)))
    console.print(table)
    gap = found["difference_per_candidate"]
    console.print(
        f"learning on minus off, log growth per candidate: {gap['mean']:+.2e} "
        f"[{gap['low']:+.2e}, {gap['high']:+.2e}] (95 %, stationary bootstrap of days)"
    )
    if gap["low"] <= 0.0 <= gap["high"]:
        console.print("The interval holds 0: this period does not show that learning on helps.")


def main() -> None:
    """Run both and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--bootstrap-seed", type=int, default=0, help="seed of the intervals")
    own, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        on = asyncio.run(ride(rest, learn=True, state=Path(folder) / "on"))
        off = asyncio.run(ride(rest, learn=False, state=Path(folder) / "off"))
    found = compare(on, off, own.bootstrap_seed)
    show(Console(), found)
    if own.json is not None:
        own.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
