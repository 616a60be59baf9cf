"""From a closed bar to signals: 50 symbols, four models, one process as the runtime has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import ROOT
from benchmarks.framework.metrics import Metric, Outcome
from benchmarks.framework.registry import Options, scenario
from benchmarks.signals_process import fit

SYMBOLS = 50


@scenario("runtime/signals-50", "features, four models and weights of 50 symbols at a bar's close")
def signals_50(options: Options) -> Outcome:
    """Milliseconds per bar close at p50 and p99, the share of each stage, and the peak memory."""
    bars = 60 if options.quick else 400
    with tempfile.TemporaryDirectory() as name:
        fit(Path(name))
        found = _measured(Path(name), bars)
    stages = {k: np.asarray(v) * 1e3 for k, v in found["stages"].items()}
    total, metrics = stages["total"], {}
    for part, at in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        value = float(np.quantile(total, at))
        metrics[f"{part}_ms"] = Metric(value, "ms", "lower", 0.25 if part == "p50" else None)
    metrics["peak_mib"] = Metric(float(found["peak_mib"]), "MiB", "lower", 0.1)
    metrics["start_s"] = Metric(float(found["start_s"]), "s", "lower", None)
    notes = [
        f"{name}: p50 {np.median(t):.1f} ms, p99 {np.quantile(t, 0.99):.1f} ms, "
        f"{np.sum(t) / np.sum(total):.0%} of the time"
        for name, t in stages.items()
        if name != "total"
    ]
    notes.append(f"{bars} bars, {found['candidates']} candidates, {found['abstained']} abstentions")
    return Outcome(metrics, tuple(notes))


def _measured(folder: Path, bars: int) -> dict[str, Any]:
    """Run the following process alone, so that its memory is its own."""
    command = [sys.executable, "-m", "benchmarks.signals_process", str(folder), str(SYMBOLS)]
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    done = subprocess.run(
        [*command, str(bars)], capture_output=True, text=True, check=False, cwd=ROOT,
        env=environment, timeout=1_800,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"the following process failed:\n{done.stderr[-2000:]}")
    out: dict[str, Any] = json.loads(done.stdout)
    return out
