"""What the trained agent makes of a planted edge, and of one that is only claimed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.baselines import RandomPolicy, fixed_1x
from agents.settings import SizingSettings
from envs.core.actions import preset
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.types import Int64Array
from envs.defaults import uniform_tape
from envs.market.planted import synthetic_market
from envs.market.synthetic import EDGES, SyntheticSettings
from training.scores import bootstrap_difference
from training.simulate import Period, Simulator
from training.sizing import train
from training.tape import Candidates, candidate_rows

CORE, FULL = CoreSettings(), preset("full")
EMBARGO = 100


def periods(edge: str, n_bars: int, share: float) -> tuple[Period, Period, Int64Array]:
    """Training and held-out periods of one market, and the times of the latter's candidates.

    The votes keep their planted lines throughout, so a claimed edge is claimed to the end.
    """
    settings = SyntheticSettings(n_bars=n_bars, edge=EDGES[edge], seed=0)
    made = synthetic_market(settings)
    data = prepare(made.market, CORE)
    tape = uniform_tape(made.market, made.votes, made.pool_line)
    slopes = np.asarray([[s.b, s.se, s.q] for s in made.exit_slopes])
    tape = replace(tape, slopes=np.broadcast_to(slopes, tape.slopes.shape).copy())
    found: Candidates = candidate_rows(data, CORE, tape.candidate, tape.side)
    last = made.market.n_bars - 1
    cut = settings.warmup_bars + int(n_bars * share)
    training = Period(
        data, tape, made.votes, found, CORE, FULL, settings.warmup_bars, cut, "log_growth"
    )
    held_out = replace(training, first=cut + EMBARGO, last=last)
    return training, held_out, made.market.close_ns[found.rows[held_out.rows()]]


@pytest.mark.slow
def test_with_a_strong_edge_the_agent_beats_fixed_and_random() -> None:
    training, held_out, when = periods("strong", 26_000, 0.4)
    agent, _ = train(training, SizingSettings(), 1, 0, None)
    simulator = Simulator(held_out)
    mine = simulator.run(agent)
    share = float(mine.executed.sum() / mine.decided.sum())
    assert 0.1 < share < 0.9
    for baseline in (fixed_1x(FULL), RandomPolicy(FULL, share, 1)):
        theirs = simulator.run(baseline, np.random.default_rng(1))
        difference = bootstrap_difference(mine.reward, theirs.reward, when, 0, draws=2_000)
        assert difference.above_zero, (baseline.name, difference)


@pytest.mark.slow
def test_an_edge_that_is_only_claimed_is_traded_in_fewer_than_two_percent() -> None:
    """Candidates, lines and slopes claim the weak edge; only the outcomes say otherwise."""
    training, held_out, _ = periods("zero", 17_520, 0.75)
    agent, _ = train(training, SizingSettings(), 1, 0, None)
    run = Simulator(held_out).run(agent)
    assert run.decided.sum() > 2_000
    assert run.executed.sum() < 0.02 * run.decided.sum()
