from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.reinforcement.settings import ReinforcementSettings
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.market.planted import SyntheticMarket, synthetic_market
from envs.market.synthetic import SyntheticSettings
from training.tape import Tape, fifth_edges, make_tape, overlaps


@pytest.fixture(scope="module")
def made() -> SyntheticMarket:
    return synthetic_market(SyntheticSettings(n_bars=3_000, seed=2))


def tape_of(made: SyntheticMarket, algorithm: str = "aa") -> Tape:
    settings = CoreSettings()
    data = prepare(made.market, settings)
    edges = fifth_edges(1_600, made.market.n_bars - 1)
    return make_tape(
        data, made.votes, settings, ReinforcementSettings(), edges, made.pool_line, algorithm
    )


def test_the_same_votes_give_the_same_tape(made: SyntheticMarket) -> None:
    assert tape_of(made).signals.digest() == tape_of(made).signals.digest()


def test_uniform_weights_give_the_mean_of_the_votes(made: SyntheticMarket) -> None:
    signals = tape_of(made, "uniform").signals
    t = made.market.n_bars - 50
    expected = float(made.votes.p_up[t, 0].mean())
    assert signals.p_up[t, 0] == pytest.approx(expected, abs=1e-12)
    assert signals.digest() != tape_of(made).signals.digest()


def test_candidates_have_a_side_support_and_a_next_bar(made: SyntheticMarket) -> None:
    signals = tape_of(made).signals
    rows, symbols = np.nonzero(signals.candidate)
    assert rows.size > 200
    assert np.all(signals.side[rows, symbols] != 0)
    assert np.all(signals.consensus[rows, symbols] >= 1)
    assert rows.max() < made.market.n_bars - 1
    assert np.all(signals.ev[rows, symbols] * signals.side[rows, symbols] > 0.0)


@pytest.mark.parametrize("algorithm", ["exponential", "platt_exponential"])
def test_the_exponential_family_has_weights_of_its_own(
    made: SyntheticMarket, algorithm: str
) -> None:
    tape = tape_of(made, algorithm)
    weights = tape.signals.weights[:, 0]
    assert tape.signals.algorithm == algorithm
    assert weights[1_000] == pytest.approx([0.25, 0.25, 0.30, 0.20])
    assert np.unique(weights, axis=0).shape[0] > 100
    assert np.all((weights >= 0.05) & (weights <= 0.50))
    assert weights[-1] == pytest.approx(tape.pool.weights[-1])
    assert tape.manager.trades > 100
    assert tape.manager.algorithm == algorithm


def test_the_manager_of_the_tape_knows_training_only(made: SyntheticMarket) -> None:
    settings = CoreSettings()
    data, last = prepare(made.market, settings), made.market.n_bars - 500
    edges = fifth_edges(1_600, last)
    tape = make_tape(data, made.votes, settings, ReinforcementSettings(), edges, made.pool_line)
    assert tape.manager.labels.last_ns <= made.market.close_ns[last]
    assert np.array_equal(tape.manager.raw_weights(), tape.pool.weights[last])
    after = make_tape(
        data, made.votes, settings, ReinforcementSettings(), np.zeros(0, dtype=np.int64),
        tape.line, "aa", tape.manager, tape.slopes,
    )  # fmt: skip
    for name in ("p_up", "ev", "side", "weights"):
        a, b = getattr(tape.signals, name)[last + 1 :], getattr(after.signals, name)[last + 1 :]
        assert np.array_equal(a, b, equal_nan=True), name


@pytest.mark.parametrize("algorithm", ["aa", "exponential"])
def test_labels_after_t_change_nothing_at_or_before_t(
    made: SyntheticMarket, algorithm: str
) -> None:
    from dataclasses import replace

    cut = made.market.n_bars - 700
    plain = tape_of(made, algorithm).signals
    late = made.votes.label_end > cut
    spoiled = replace(
        made,
        votes=replace(
            made.votes,
            y_long=np.where(late, 1.0 - made.votes.y_long, made.votes.y_long),
            y_short=np.where(late, 1.0 - made.votes.y_short, made.votes.y_short),
            gross=np.where(late, 50.0, made.votes.gross),
        ),
    )
    other = tape_of(spoiled, algorithm).signals
    for name in ("side", "score", "ev", "confidence", "candidate", "weights"):
        a, b = getattr(plain, name)[: cut + 1], getattr(other, name)[: cut + 1]
        assert np.array_equal(a, b, equal_nan=True), name
    assert not np.array_equal(plain.score, other.score, equal_nan=True)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), min_size=1, max_size=25))
def test_overlap_counts_equal_a_pairwise_count(spans: list[tuple[int, int]]) -> None:
    unique = {start: start + length for start, length in spans}
    rows = np.array(sorted(unique), dtype=np.int64)
    ends = np.array([unique[r] for r in rows.tolist()], dtype=np.int64)
    counted = [
        sum(i != j and rows[j] < ends[i] and ends[j] > rows[i] for j in range(rows.size))
        for i in range(rows.size)
    ]
    got = overlaps(rows, ends)
    for i in range(rows.size):
        if ends[i] > rows[i]:
            zero = sum(rows[i] < rows[j] == ends[j] < ends[i] for j in range(rows.size))
            assert got[i] == counted[i] + 0 * zero
