"""Time and memory of the main job and of importing the core, as whole processes.

    python benchmarks/bench_main_job.py [--data DIR] [--json FILE]

Scenarios: ``import-core`` (median of five), ``train-synthetic`` (the default job), and with
``--data`` ``train-real`` (first run, votes fitted) and ``train-real-cached`` (the same again).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REAL = [
    "--symbols", "BTCUSDT,ETHUSDT,XRPUSDT,LTCUSDT", "--start", "2020-01-01", "--train-end",
    "2024-01-01", "--test-end", "2025-01-01",
]  # fmt: skip
IMPORT = (
    "import time; a = time.perf_counter(); import envs.core.world; print(time.perf_counter() - a)"
)


def measure(command: list[str], cwd: Path, environment: dict[str, str]) -> dict[str, float]:
    start = time.perf_counter()
    child = subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed with status {status}")
    return {"seconds": round(time.perf_counter() - start, 1), "peak_mib": usage.ru_maxrss // 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("QT_REAL_DATA"), help="real bars")
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    figures: dict[str, Any] = {}
    times = [
        float(subprocess.check_output([sys.executable, "-c", IMPORT], env=environment, cwd=ROOT))
        for _ in range(5)
    ]
    figures["import-core"] = {"median_seconds": round(statistics.median(times), 3)}
    program = [sys.executable, str(ROOT / "training" / "train_sizing.py")]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        environment["QT_CACHE_DIR"] = str(work / "cache")
        figures["train-synthetic"] = measure([*program, "--out", "synthetic"], work, environment)
        if args.data:
            real = [*program, "--data", args.data, *REAL, "--out"]
            figures["train-real"] = measure([*real, "real"], work, environment)
            figures["train-real-cached"] = measure([*real, "again"], work, environment)
    text = json.dumps(figures, indent=2)
    sys.stdout.write(text + "\n")
    if args.json:
        args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
