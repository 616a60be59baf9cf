"""A whole training pass of the table, compiled."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from benchmarks.data import SEED, drawn_tape, scene
from benchmarks.framework.metrics import Outcome, median_of
from benchmarks.framework.registry import NotHere, Options, scenario
from benchmarks.framework.timing import disturbance, repeated
from envs.core.actions import preset

DENSITY = 0.10


@scenario("learn/training-pass", "decide, all 76 outcomes, advance, learn: one compiled pass")
def training_pass(options: Options) -> Outcome:
    """Candidates per second of the default learner's pass, one thread."""
    try:
        from training.simulate import Period
        from training.table_pass import TablePass
        from training.tape import Candidates
    except ImportError as error:
        raise NotHere(f"needs {error.name}") from error

    at, tape = scene(), drawn_tape(DENSITY)
    rows, symbols = (x.astype(np.int64) for x in np.nonzero(tape.candidate))
    unknown = np.zeros((rows.size, 3), dtype=np.int64)
    candidates = Candidates(rows, symbols, unknown.astype(np.float64), unknown, unknown)
    first = at.market.n_bars // 2
    last = min(at.market.n_bars - 1, first + (2_000 if options.quick else 8_000))
    period = Period(
        at.data, tape, cast(Any, None), candidates, at.settings, preset("full"), first, last
    )
    agent = CounterfactualAgent(period.preset, SizingSettings())
    ready = TablePass(period)

    def go() -> None:
        ready.run(agent, np.random.default_rng(SEED))

    runs = repeated(go, options.repeats, agent.begin_pass)
    n = int(period.rows().size)
    metrics = {
        "candidates_per_s": median_of([n / t.wall for t in runs], "1/s", "higher"),
        "cells_per_s": median_of([76 * n / t.wall for t in runs], "1/s", "higher"),
        "cpu_us_per_candidate": median_of([t.cpu / n * 1e6 for t in runs], "us", "lower", 0.15),
    }
    return Outcome(metrics, (f"{n} candidates; the table goes on learning",), disturbance(runs, 1))
