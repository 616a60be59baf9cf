"""Outcomes of all 76 actions of a decision."""

from __future__ import annotations

import numpy as np

from benchmarks.data import drawn_tape, scene
from benchmarks.framework.metrics import Outcome, median_of
from benchmarks.framework.registry import Options, scenario
from benchmarks.framework.timing import disturbance, repeated
from envs.core.actions import preset
from envs.core.decide import Desk
from envs.core.view import DecisionView
from envs.core.world import World
from envs.kernel.counterfactual import Counterfactual, compiled_ladder
from envs.kernel.outcomes import BatchOutcomes

DENSITY = 0.10
ROWS = 2_000
BATCH = 8_192


def views(rows: int) -> tuple[Desk, list[DecisionView]]:
    """Views of a flat account at every candidate of so many bars, simulated to the period's end."""
    at = scene()
    start = at.market.n_bars // 2
    world = World(at.data, at.settings, start, min(at.market.n_bars - 1, start + rows + 1_000))
    desk = Desk(world, drawn_tape(DENSITY), preset("full"), at.settings, ladder=compiled_ladder())
    out: list[DecisionView] = []
    for _ in range(rows):
        out += [desk.view(s) for s in desk.candidates()]
        world.advance()
    return desk, out


@scenario("counterfactual/76", "all 76 outcomes of a decision, one call each, one thread")
def all_outcomes(options: Options) -> Outcome:
    """Outcomes as training computes them: views are ready, one call a decision."""
    desk, ready = views(300 if options.quick else ROWS)
    kernel = Counterfactual(desk, 0)
    held = []
    for view in ready:
        end = kernel.outcomes(view)[2]
        if bool((end >= 0).any()):
            held.append(float(np.mean(end[end >= 0] - view.row)))

    rounds = max(1, ROWS // len(ready))

    def go() -> None:
        for _ in range(rounds):
            for view in ready:
                kernel.outcomes(view)

    runs = repeated(go, options.repeats)
    n = rounds * len(ready)
    metrics = {
        "decisions_per_s": median_of([n / t.wall for t in runs], "1/s", "higher"),
        "cells_per_s": median_of([76 * n / t.wall for t in runs], "1/s", "higher"),
        "cpu_us_per_decision": median_of([t.cpu / n * 1e6 for t in runs], "us", "lower", 0.15),
    }
    notes = (f"{len(ready)} decisions of a flat account, held {np.mean(held):.1f} bars on average",)
    return Outcome(metrics, notes, disturbance(runs, 1))


def batch_outcomes(options: Options, threads: int) -> Outcome:
    """Decisions of a flat account at every candidate, sized and simulated in one call."""
    from numba import set_num_threads

    at = scene()
    tape = drawn_tape(DENSITY)
    set_num_threads(threads)
    rows, symbols = np.nonzero(tape.candidate[2_000:-2_000])
    rows = rows[:BATCH] + 2_000
    batch = BatchOutcomes(at.data, at.settings, preset("full"))
    asked = batch.flat(rows, symbols[:BATCH], tape.side[rows, symbols[:BATCH]].astype(np.int64))
    out = batch.outcomes(asked)
    rounds = 2 if options.quick else 12

    def go() -> None:
        for _ in range(rounds):
            batch.outcomes(asked, out)

    runs = repeated(go, options.repeats)
    n = rounds * asked.size
    metrics = {
        "decisions_per_s": median_of([n / t.wall for t in runs], "1/s", "higher"),
        "cells_per_s": median_of([76 * n / t.wall for t in runs], "1/s", "higher"),
        "cpu_us_per_decision": median_of([t.cpu / n * 1e6 for t in runs], "us", "lower", 0.15),
    }
    notes = (f"batches of {asked.size}, sizes of all actions included",)
    return Outcome(metrics, notes, disturbance(runs, threads))


@scenario("counterfactual/batch", "all 76 sizes and outcomes of a batch, one call, two threads")
def batch_two_threads(options: Options) -> Outcome:
    """What full-information training and sweeps stand on."""
    return batch_outcomes(options, 2)


@scenario("counterfactual/batch-1", "the same on one thread")
def batch_one_thread(options: Options) -> Outcome:
    """One thread's share."""
    return batch_outcomes(options, 1)


@scenario("counterfactual/views", "building the views of those decisions, compiled ladder")
def build_views(options: Options) -> Outcome:
    """What comes before the outcomes in training."""
    at = scene()
    rows = 300 if options.quick else 600
    start = at.market.n_bars // 2
    seen = {"n": 0}

    def go() -> None:
        world = World(at.data, at.settings, start, start + rows + 10)
        tape = drawn_tape(DENSITY)
        desk = Desk(world, tape, preset("full"), at.settings, ladder=compiled_ladder())
        n = 0
        for _ in range(rows):
            for s in desk.candidates():
                desk.view(s)
                n += 1
            world.advance()
        seen["n"] = n

    runs = repeated(go, options.repeats)
    cpu = [t.cpu / seen["n"] * 1e6 for t in runs]
    rate = [seen["n"] / t.wall for t in runs]
    metrics = {
        "decisions_per_s": median_of(rate, "1/s", "higher"),
        "cpu_us_per_decision": median_of(cpu, "us", "lower", 0.15),
    }
    return Outcome(metrics, (), disturbance(runs, 1))
