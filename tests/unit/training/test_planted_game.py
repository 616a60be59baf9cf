"""The planted games are worth what they claim, and refuse what they cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from envs.core.errors import FixInput
from envs.core.rules.state import N_STATES
from envs.core.types import Float64Array, Int64Array
from training.planted_game import BETS, PlantedGame, SizingGame, UnstructuredGame


@pytest.mark.parametrize(
    "game", [SizingGame(3), SizingGame(3, (0, 1, 2, 3, 4), 12), UnstructuredGame(3, 0.64)]
)
def test_the_exact_values_are_those_of_the_draws(game: PlantedGame) -> None:
    rng = np.random.default_rng(0)
    n = 40_000
    for place in range(0, game.states.size, 1 + game.states.size // 15):
        rewards = game.rewards(np.full(n, place), rng)
        standard = rewards.std(axis=0) / np.sqrt(n)
        known = standard > 0.0
        errors = (rewards.mean(axis=0) - game.value[place])[known] / standard[known]
        assert np.abs(errors).max() < 5.0
        assert np.array_equal(rewards[0, ~known], game.value[place, ~known])


def test_the_best_bet_is_kellys_and_skip_where_the_coin_is_bad() -> None:
    game = SizingGame(0)
    bets = np.array([a.size for a in BETS.actions])
    best = bets[game.value.argmax(axis=1)]
    kelly = np.maximum(0.0, 2.0 * game.chance - 1.0)
    assert np.abs(best - kelly).max() <= 0.025 + 1e-9
    assert (best == 0.0).sum() == (game.chance <= 0.5).sum() == 10
    assert game.value.max(axis=1).mean() == pytest.approx(1.0)
    assert game.value[:, 0].max() == game.value[:, 0].min() == 0.0


@pytest.mark.parametrize(("game", "n"), [(SizingGame(1), 30), (SizingGame(1, (4, 0), 12), 120)])
def test_states_are_distinct_states_of_the_agents(game: SizingGame, n: int) -> None:
    assert game.value.shape == (n, 20)
    assert np.unique(game.states).size == n
    assert game.states.min() >= 0
    assert game.states.max() < N_STATES
    assert [c.state for c in game.contexts] == game.states.tolist()


def test_regret_is_the_mean_loss_against_the_best() -> None:
    game = UnstructuredGame(0, 0.5)
    best = game.value.argmax(axis=1)
    assert game.regret(best) == 0.0
    worse = best.copy()
    worse[4] = int(game.value[4].argmin())
    assert game.regret(worse) == pytest.approx(np.ptp(game.value[4]) / 30)


def test_the_shared_part_of_the_noise_is_common_to_the_actions() -> None:
    for shared in (0.0, 0.64):
        game = UnstructuredGame(0, shared)
        noise = game.rewards(np.zeros(20_000, dtype=np.int64), np.random.default_rng(1))
        correlation = np.corrcoef(noise.T)[np.triu_indices(20, 1)]
        assert correlation.mean() == pytest.approx(shared, abs=0.02)
        assert noise.std(axis=0) == pytest.approx(np.full(20, 0.5), abs=0.02)


class Certain(PlantedGame):
    def rewards(self, places: Int64Array, rng: np.random.Generator) -> Float64Array:
        return np.asarray(self.value[places])


def test_games_that_cannot_be_are_refused() -> None:
    with pytest.raises(FixInput, match=r"bins 0\.\.4"):
        SizingGame(0, (5,))
    with pytest.raises(FixInput, match=r"shifts 1\.\.12"):
        SizingGame(0, (1,), 13)
    with pytest.raises(FixInput, match=r"\[0, 1\)"):
        UnstructuredGame(0, 1.0)
    with pytest.raises(FixInput, match="30 states and 20 actions"):
        Certain(BETS, np.arange(30), np.zeros((30, 19)), np.zeros(20))
