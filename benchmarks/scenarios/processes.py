"""What whole processes cost: importing, compiling, the first step, the main job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.data import ROOT, real_folder
from benchmarks.framework.metrics import Outcome, median_of
from benchmarks.framework.registry import NotHere, Options, scenario

IMPORT = """
import time
a = time.perf_counter()
import envs.core.world
print(time.perf_counter() - a)
"""
FIRST_STEP = """
import json, sys, time
a = time.perf_counter()
import numpy as np
from envs.vector import TradingVectorEnv
b = time.perf_counter()
from envs.defaults import default_environment_data
data = default_environment_data()
c = time.perf_counter()
env = TradingVectorEnv(256, *data)
env.reset(seed=0)
env.step(np.zeros(256, dtype=np.int64))
d = time.perf_counter()
json.dump({"import": b - a, "market": c - b, "step": d - c}, sys.stdout)
"""
REAL = (
    "--symbols", "BTCUSDT,ETHUSDT,XRPUSDT,LTCUSDT", "--start", "2020-01-01", "--train-end",
    "2024-01-01", "--test-end", "2025-01-01",
)  # fmt: skip


def run_code(code: str, **variables: str) -> tuple[float, str]:
    """Run a program in a fresh interpreter; wall seconds and what it printed."""
    start = time.perf_counter()
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=_environment(**variables), check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    return time.perf_counter() - start, out.stdout


def _environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **variables}


@scenario("import/envs-core", "import envs.core.world in a fresh interpreter")
def import_core(options: Options) -> Outcome:
    """Seconds of the import itself; the interpreter's own start is not in it."""
    times = [float(run_code(IMPORT)[1]) for _ in range(options.repeats + 1)][1:]
    return Outcome({"seconds": median_of(times, "s", "lower", 0.5)})


@scenario("compile/first-use", "first step of 256 environments: empty cache, and a later process")
def first_use(options: Options) -> Outcome:
    """Seconds from an interpreter's start to its first step, and without its market."""
    with tempfile.TemporaryDirectory() as folder:
        cold = json.loads(run_code(FIRST_STEP, QT_KERNEL_CACHE_DIR=folder)[1])
        size = sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file()) / 2**20
        warm, parts = [], []
        for _ in range(options.repeats):
            seconds, printed = run_code(FIRST_STEP, QT_KERNEL_CACHE_DIR=folder)
            warm.append(seconds)
            parts.append(json.loads(printed))
    metrics = {
        "cold_step_s": median_of([cold["step"]], "s", "lower"),
        "warm_process_s": median_of(warm, "s", "lower"),
        "warm_without_market_s": median_of([p["import"] + p["step"] for p in parts], "s", "lower"),
        "warm_import_s": median_of([p["import"] for p in parts], "s", "lower"),
        "warm_market_s": median_of([p["market"] for p in parts], "s", "lower"),
        "warm_step_s": median_of([p["step"] for p in parts], "s", "lower"),
        "cache_mib": median_of([size], "MiB", "lower"),
    }
    notes = (
        "cold: one run, the kernel's own cache empty; the market's signal code comes from it too",
        "market: the built-in one, generated anew in each process",
    )
    return Outcome(metrics, notes)


def measure(
    command: list[str], cwd: Path, environment: Mapping[str, str]
) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MiB of one program.

    Raises:
        NotHere: It failed.
    """
    start = time.perf_counter()
    child = subprocess.Popen(
        command, cwd=cwd, env=dict(environment), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise NotHere(f"{' '.join(command[1:])} ended with status {status}")
    wall = time.perf_counter() - start
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _main_job(arguments: list[str], again: bool) -> Outcome:
    program = [sys.executable, str(ROOT / "training" / "train_sizing.py"), *arguments, "--out"]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        environment = _environment(QT_CACHE_DIR=str(work / "cache"))
        wall, cpu, peak = measure([*program, "first"], work, environment)
        if again:
            wall, cpu, peak = measure([*program, "again"], work, environment)
    metrics = {
        "seconds": median_of([wall], "s", "lower"),
        "cpu_s": median_of([cpu], "s", "lower", 0.15),
        "peak_mib": median_of([peak], "MiB", "lower", 0.15),
    }
    return Outcome(metrics, ("one run",))


def _real_arguments() -> list[str]:
    folder = real_folder()
    if folder is None:
        raise NotHere("needs real bars: set QT_REAL_DATA")
    return ["--data", str(folder), *REAL]


@scenario("main-job/synthetic", "train, evaluate and bundle on the built-in market", slow=True)
def main_job_synthetic(options: Options) -> Outcome:
    """The default job as a whole process."""
    del options
    return _main_job([], again=False)


@scenario("main-job/real", "the same on four symbols of real bars, votes fitted", slow=True)
def main_job_real(options: Options) -> Outcome:
    """The first run on real bars."""
    del options
    return _main_job(_real_arguments(), again=False)


@scenario("main-job/real-cached", "the same once more, votes from the cache", slow=True)
def main_job_cached(options: Options) -> Outcome:
    """The second run on the same bars."""
    del options
    return _main_job(_real_arguments(), again=True)
