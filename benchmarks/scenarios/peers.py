"""Other trading environments on the same bars, each in a process of its own.

A peer runs where its package is: in this interpreter (extra ``peers``), or in the interpreters
listed in ``QT_BENCH_PEERS`` (paths, separated as in ``PATH``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.data import ROOT, scene
from benchmarks.framework.metrics import Outcome, median_of
from benchmarks.framework.registry import NotHere, Options, scenario
from benchmarks.framework.timing import Timing, disturbance
from benchmarks.peers.stepping import NUMBERS, SYNC

BARS = 4_000


@cache
def _interpreters() -> tuple[str, ...]:
    given = os.environ.get("QT_BENCH_PEERS", "")
    return (sys.executable, *(p for p in given.split(os.pathsep) if p))


def _interpreter(module: str) -> str:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    for program in _interpreters():
        if subprocess.run([program, "-c", code], check=False, capture_output=True).returncode == 0:
            return program
    raise NotHere(f"{module} is not installed: pip install -e '.[peers]', or name interpreters")


def write_bars(path: Path) -> None:
    """Bars of the scene's middle as prices in quote, for all symbols."""
    market = scene().market
    rows = slice(market.n_bars // 2, market.n_bars // 2 + BARS)
    ticks = np.array([float(i.tick) for i in market.instruments])
    columns = {
        "open": market.open_ticks, "high": market.high_ticks, "low": market.low_ticks,
        "close": market.close_ticks,
    }  # fmt: skip
    prices = {name: values[rows] * ticks for name, values in columns.items()}
    np.savez(path, time_ns=market.close_ns[rows], volume=market.volume[rows], **prices)


def _measure(name: str, module: str, options: Options, steps: int) -> Outcome:
    program = _interpreter(module)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bars.npz"
        write_bars(path)
        done = subprocess.run(
            [program, "-m", f"benchmarks.peers.{name}", str(path), str(options.repeats),
             str(steps // 5 if options.quick else steps)],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
            capture_output=True, text=True,
        )  # fmt: skip
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise NotHere(f"its program failed: {reason[0]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    single, sync = found["single"], found["sync"]
    metrics = {
        "single_steps_per_s": median_of([1.0 / wall for wall, _ in single], "1/s", "higher"),
        "single_cpu_us": median_of([cpu * 1e6 for _, cpu in single], "us", "lower"),
        f"sync{SYNC}_steps_per_s": median_of([1.0 / wall for wall, _ in sync], "1/s", "higher"),
        f"sync{SYNC}_cpu_us": median_of([cpu * 1e6 for _, cpu in sync], "us", "lower"),
    }
    notes = (f"version {found['version']}, NumPy {found['numpy']}, {NUMBERS} numbers, costs on",)
    runs = [Timing(wall, cpu, 0.0) for wall, cpu in (*single, *sync)]
    return Outcome(metrics, notes, disturbance(runs, 1))


@scenario("peers/gym-anytrading", "one symbol, one action a bar")
def anytrading(options: Options) -> Outcome:
    """Single and 64 in a SyncVectorEnv."""
    return _measure("anytrading", "gym_anytrading", options, 20_000)


@scenario("peers/gym-trading-env", "one symbol, one action a bar")
def trading_env(options: Options) -> Outcome:
    """Single and 64 in a SyncVectorEnv."""
    return _measure("trading_env", "gym_trading_env", options, 10_000)


@scenario("peers/gym-mtsim", "four symbols, orders in each at every bar")
def mtsim(options: Options) -> Outcome:
    """Single and 64 in a SyncVectorEnv."""
    return _measure("mtsim", "gym_mtsim", options, 1_920)
