"""How fast the runtime goes: closes a second on ``sim``, one look of the monitor at 50 positions.

    python benchmarks/runtime_speed.py --bundle DIR [--data DIR] [--repeats 3]

Other options are handed on to ``python -m runtime trade --venue sim``. Medians of the repeats.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from envs.core.instrument import Instrument
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from runtime import trade_cli
from runtime.driving.sim import sim_parts
from runtime.wiring.asking import plan_of
from runtime.wiring.opening import open_trader
from tests.parity.faces import KernelCase, kernel_of
from tests.property.strategies import signals, small_market

SYMBOLS, LOOKS = 50, 200


async def closes(argv: Sequence[str], state: Path) -> dict[str, float]:
    """One backtest of the whole runtime: closes a second, wall and CPU, and what it traded."""
    parser = argparse.ArgumentParser()
    trade_cli.add_arguments(parser)
    asked = [*argv, "--venue", "sim", "--state", str(state), "--view", "none"]
    plan = plan_of(parser.parse_args(asked), asked, os.environ, datetime.now(UTC))
    bars = decisions = 0
    async with open_trader(plan) as trader:

        def see(record: Any) -> None:
            nonlocal bars, decisions
            bars += record.kind == "bar"
            decisions += record.kind == "decision"

        trader.kernel.observe(see, ("bar", "decision"))
        wall, cpu = time.perf_counter(), time.process_time()
        await trader.run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        trades = len(trader.kernel.trades)
    return {
        "closes": bars, "candidates": decisions, "trades": trades,
        "closes_per_s": bars / wall, "closes_per_cpu_s": bars / cpu,
    }  # fmt: skip


async def looks() -> dict[str, float]:
    """Milliseconds of one look of the monitor at 50 open, protected positions; nothing moves."""
    base = small_market(1, 40, 1, 0.0, False)
    names = tuple(f"S{k:02d}" for k in range(SYMBOLS))
    wide: dict[str, Any] = {
        name: np.repeat(value, SYMBOLS, axis=1)
        for name, value in vars(base).items()
        if isinstance(value, np.ndarray) and value.ndim >= 2
    }
    market = replace(
        base, symbols=names, instruments=tuple(Instrument.of(n, "0.01", "0.001") for n in names),
        has_mark=np.zeros(SYMBOLS, dtype=np.bool_), **wide,
    )  # fmt: skip
    core = CoreSettings()
    risk = replace(
        core.risk, max_positions=SYMBOLS, max_position_margin=0.015, max_gross=50.0,
        max_total_risk=1.0, max_open_dd=0.99, max_daily_dd=0.99,
    )  # fmt: skip
    core = replace(core, risk=risk, ess=replace(core.ess, max_total_dd=0.99, max_stops_15m=1000))
    tape = signals(market, 2)
    tape = replace(tape, candidate=np.ones_like(tape.candidate))
    case = KernelCase(market, tape, core, 3, False, 1)
    data = prepare(market, core)
    parts = sim_parts(data, core, 5)
    kernel = kernel_of(case, data, parts)
    await parts.venue.open()
    await kernel.start(dict(parts.venue.quotes()))
    step = await parts.stepper.advance()
    await kernel.on_vertex(step.now_ns, step.index, dict(step.quotes))
    taken = []
    quotes = dict(parts.venue.quotes())
    for _ in range(LOOKS):
        begun = time.perf_counter()
        await kernel.monitor(step.now_ns, quotes)
        taken.append(1e3 * (time.perf_counter() - begun))
    return {
        "positions": len(kernel.context.books.account.positions),
        "look_p50_ms": float(np.quantile(taken, 0.5)),
        "look_p99_ms": float(np.quantile(taken, 0.99)),
    }  # fmt: skip


def median_of(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Median of every figure."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each [count, default 3]")
    parser.add_argument("--json", type=Path, help="write the figures here")
    own, rest = parser.parse_known_args()
    found: dict[str, Any] = {"monitor": median_of([asyncio.run(looks()) for _ in range(3)])}
    runs = []
    for _ in range(own.repeats):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(asyncio.run(closes(rest, Path(folder) / "state")))
    found["sim"] = median_of(runs)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    if own.json is not None:
        own.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
