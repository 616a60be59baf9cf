"""From the close of a bar to the last order, 50 symbols, with everything a trader runs.

    python benchmarks/runtime_close.py --bundle DIR [--closes 110] [--positions 10]

The trader is put together as ``python -m runtime trade`` does by the clock: live signals of the
bundle's four models, kernel, full journal on SQLite, ccxt. The exchange is a process of its own;
its built-in market rests after each close until the account is flat again. Every candidate is
decided and entered with the smallest size there is. The first word of a close is the first final
candle that a socket tells. ``--positions 50`` lifts the hard limit of ten.
``--bundle`` needs models (trained on bars of a folder); its agents and settings are used on other
symbols, which changes what is traded, not what it costs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SYMBOLS = 50
WARM = 5
"""Closes at the beginning that do not count."""
STAGES = (
    "news", "arrived", "received", "signals", "decided", "journalled", "sent", "answered",
    "protected", "done",
)  # fmt: skip
"""In their order: the first final candle is told, the last bar is there, and so on."""


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and largest, milliseconds."""
    ms = 1e3 * np.asarray(values)
    return {
        "p50": float(np.median(ms)),
        "p99": float(np.quantile(ms, 0.99)),
        "max": float(ms.max()),
    }


def stages(closes: Sequence[dict[str, Any]], clock: str, origin: str) -> dict[str, Any]:
    """Milliseconds from one stage to each later one, by a clock (wall, cpu).

    ``done`` is the return of the step.
    """
    out = {}
    counted = [c[clock] for c in closes if origin in c[clock]]
    for stage in STAGES[STAGES.index(origin) + 1 :]:
        spent = [c[stage] - c[origin] for c in counted if stage in c]
        if spent:
            out[stage] = quantiles(spent)
    return out


def report(found: dict[str, Any]) -> dict[str, Any]:
    """The figures of one run."""
    # A bar that comes when its close is under way is not part of it.
    whole = [c for c in found["closes"] if c["wall"]["arrived"] <= c["wall"]["received"]]
    counted = whole[WARM:]
    most = max((held for held, _ in found["looks"]), default=0)
    looks = [spent for held, spent in found["looks"] if held == most]
    return {
        "closes": len(counted),
        "bars_late": len(found["closes"]) - len(whole),
        "candidates": float(np.median([c["candidates"] for c in counted])),
        "entries": float(np.median([c["entries"] for c in counted])),
        "from_first_word_ms": stages(counted, "wall", "news"),
        "from_first_word_cpu_ms": stages(counted, "cpu", "news"),
        "from_last_bar_ms": stages(counted, "wall", "arrived"),
        "look_ms": {"positions": most, "looks": len(looks)} | quantiles(looks),
        "memory_mib": found["memory_mib"],
        "exchange_peak_mib": found["exchange_peak_mib"],
        "opened_s": found["opened_s"],
        "alarms": found["alarms"],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True, help="folder with models")
    parser.add_argument("--closes", type=int, default=110, help="closes [count, default 110]")
    parser.add_argument("--positions", type=int, default=10, help="hard limit [count, default 10]")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    environ = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.close_process", str(args.bundle), f"{folder}/state",
             str(SYMBOLS), str(args.closes + WARM), str(args.positions)],
            cwd=ROOT, env=environ, stdout=subprocess.PIPE, check=True, text=True,
        )  # fmt: skip
    text = json.dumps(report(json.loads(done.stdout)), indent=1) + "\n"
    sys.stdout.write(text)
    if args.json is not None:
        args.json.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
