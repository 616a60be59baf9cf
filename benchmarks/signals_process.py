"""A process that follows a feed of many symbols as the runtime does, and times every stage.

``python -m benchmarks.signals_process FOLDER SYMBOLS BARS`` prints one JSON document; ``fit``
writes the models it reads.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from agents.reinforcement.manager import ReinforcementManager
from ensemble.calibrators import Calibrator
from ensemble.crossfit import prepare_data
from ensemble.fitted import Fitted
from ensemble.models import new_forecaster
from ensemble.settings import EnsembleSettings
from ensemble.store import load_fitted
from envs.core.tape import EvLine
from envs.core.types import MODEL_NAMES
from envs.market.build import build_market
from envs.market.synthetic import SyntheticSeries, SyntheticSettings, generate
from runtime.settings import Settings
from runtime.signals.live import LiveSignals
from runtime.signals.live_inputs import pending_bars
from runtime.signals.past import FULL_BARS
from runtime.signals.voters import ModelVoter

SEED = 7
WARM_ROWS = 8
ENSEMBLE = EnsembleSettings(network_steps=30)
LINE = EvLine(1.2, 0.0, 0.4, 1_000)


def drawn(symbols: int, bars: int) -> SyntheticSeries:
    """Built-in bars of many symbols."""
    names = tuple(f"S{i:02d}USDT" for i in range(symbols))
    return generate(SyntheticSettings(symbols=names, n_bars=bars, seed=SEED))


def fit(folder: Path) -> None:
    """Fit the four models shortly (what they know does not change what they cost)."""
    made = drawn(4, 3_000)
    market, _ = build_market(made.series, made.instruments)
    data, labels = prepare_data(market, Settings().core)
    train = market.complete & (labels.end >= 0)
    fitted = Fitted(lines=(LINE,) * len(MODEL_NAMES))
    for name in MODEL_NAMES:
        model = new_forecaster(name, ENSEMBLE)
        model.fit(data, train, SEED)
        fitted.models[name] = model
        fitted.calibrators[name] = Calibrator("platt", (0.9, 0.0)), Calibrator("platt", (0.9, 0.0))
    fitted.save(folder)
    (folder / "fitted.json").write_text(
        json.dumps({
            "models": list(MODEL_NAMES),
            "calibrators": fitted.calibrators_json(),
            "lines": [vars(LINE)] * len(MODEL_NAMES),
            "feature_hash": market.feature_hash,
        }),
        encoding="utf-8",
    )  # fmt: skip


async def follow(folder: Path, symbols: int, bars: int) -> dict[str, Any]:
    """Start on a full history, then take bar after bar; seconds of each stage per bar."""
    payload = json.loads((folder / "fitted.json").read_text(encoding="utf-8"))
    fitted = load_fitted(folder, payload, ENSEMBLE, payload["feature_hash"], Fitted())
    made, settings = drawn(symbols, FULL_BARS - 1_536 + WARM_ROWS + bars), Settings()
    ends = made.series[0].open_ns + made.series[0].interval_ns
    begun = int(ends[-1 - bars - WARM_ROWS])
    manager = ReinforcementManager(settings.reinforcement, settings.core.signal.horizon_bars)
    signals = LiveSignals(
        [r.between(None, begun) for r in made.series], made.instruments, ModelVoter(fitted),
        settings, manager, LINE, (None, None, None), budget_s=0.25,
    )  # fmt: skip
    before = time.perf_counter()
    await signals.start()
    started = time.perf_counter() - before
    stages: dict[str, list[float]] = {}
    feed = pending_bars(made.series, begun)
    late = candidates = 0
    for k, (close_ns, given) in enumerate(sorted(feed.items())):
        times = {"begun": time.perf_counter()}
        labels = signals.receive(close_ns, given)
        times["receive"] = time.perf_counter()
        manager.learn_labels(labels)
        times["labels"] = time.perf_counter()
        await signals.vote()
        times["vote"] = time.perf_counter()
        signals.weigh()
        times["weigh"] = time.perf_counter()
        candidates += int(signals.tape.candidate[signals.row].sum())
        late += int((~signals.votes.valid[signals.row]).any(axis=1).sum())
        if k < WARM_ROWS:
            continue
        marks = list(times.items())
        for (_, a), (name, b) in pairwise(marks):
            stages.setdefault(name, []).append(b - a)
        stages.setdefault("total", []).append(times["weigh"] - times["begun"])
        for name, spent in signals.spent_s.items():
            stages.setdefault(f"vote.{name}", []).append(spent)
        # A feed leaves time between bars; what is prepared then is not part of a bar.
        await asyncio.sleep(0.0)
        signals.settled()
    await signals.stop()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "stages": stages, "start_s": started, "peak_mib": peak, "abstained": late,
        "candidates": candidates,
    }  # fmt: skip


if __name__ == "__main__":
    found = asyncio.run(follow(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
    sys.stdout.write(json.dumps(found))
