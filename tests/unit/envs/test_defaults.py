from __future__ import annotations

import numpy as np

from envs.defaults import default_environment_data, uniform_tape
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings


def test_the_default_tape_carries_the_planted_exit_slopes() -> None:
    made = synthetic_market(SyntheticSettings(n_bars=2_000, seed=3))
    _, tape, _ = default_environment_data(2_000, 3)
    wanted = [(x.b, x.se, x.q) for x in made.exit_slopes]
    assert np.array_equal(tape.slopes, np.broadcast_to(wanted, tape.slopes.shape))
    assert tape.slopes.shape == (made.market.n_bars, 3, 3)
    assert (tape.slopes[:, :, 2] > 0.0).all()


def test_without_exit_slopes_the_tape_has_none() -> None:
    made = synthetic_market(SyntheticSettings(n_bars=2_000, seed=3))
    assert np.isnan(uniform_tape(made.market, made.votes, made.pool_line).slopes).all()
