"""The source of trades changes the exponential weights; the report says by how much."""

from __future__ import annotations

import numpy as np
import pytest

from agents.baselines import fixed_1x
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.actions import preset
from envs.core.rules.rounding import from_units
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.types import MODEL_NAMES
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings
from training.joint import executed_weights
from training.simulate import Period, Simulator
from training.tape import fifth_edges, make_tape
from training.weights import reference_of

MADE = synthetic_market(SyntheticSettings(n_bars=1_200, seed=9))
LAST = MADE.market.n_bars - 1


@pytest.mark.parametrize("algorithm", ["exponential", "aa"])
def test_an_account_that_takes_the_reference_action_starts_as_the_reference_account_does(
    algorithm: str,
) -> None:
    core = CoreSettings()
    data = prepare(MADE.market, core)
    edges = fifth_edges(1_600, LAST)
    tape = make_tape(
        data, MADE.votes, core, ReinforcementSettings(), edges, MADE.pool_line, algorithm
    )
    period = Period(
        data, tape.signals, MADE.votes, tape.candidates, core, preset("full"), 1_519, LAST
    )
    run = Simulator(period).run(fixed_1x(preset("full")))
    got = executed_weights(MADE.market, MADE.votes, tape, run.trades)
    if algorithm == "aa":
        assert got is None
        return
    assert got is not None
    assert got["executed_trades"] > 50
    assert got["largest_difference"] > 0.0
    assert set(got["executed"]) == set(MODEL_NAMES)
    assert sum(got["executed"].values()) == pytest.approx(1.0)
    first = min(run.trades, key=lambda t: t.entry_ns)
    row = int(np.searchsorted(MADE.market.close_ns, int(first.decision_id.rsplit(":", 1)[1])))
    s = MADE.market.symbols.index(first.symbol)
    reference = reference_of(data, MADE.votes, core)
    assert reference.net[row, s, (1 - first.side) // 2] == from_units(first.net_units)
