from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from agents.reinforcement.settings import ReinforcementSettings
from envs.core.actions import preset
from envs.core.rules.state import confidence_bin, state_index
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.types import ExitStrategy
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings
from training.occupancy import action_shares, occupancy, occupancy_of, remarks
from training.tape import Tape, fifth_edges, make_tape

MADE = synthetic_market(SyntheticSettings(n_bars=1_200, seed=9))
CORE = CoreSettings()
FIRST, LAST = 1_700, MADE.market.n_bars - 1


@pytest.fixture(scope="module")
def tape() -> Tape:
    edges = fifth_edges(1_600, LAST)
    data = prepare(MADE.market, CORE)
    return make_tape(data, MADE.votes, CORE, ReinforcementSettings(), edges, MADE.pool_line, "aa")


def test_counts_of_states_become_shares_of_each_axis() -> None:
    counts = np.zeros(300, dtype=np.int64)
    counts[state_index(1, 4, 0, 2)] = 3
    counts[state_index(1, 2, 3, 2)] = 1
    assert occupancy(counts) == {
        "regime": [0, 1, 0, 0, 0],
        "confidence": [0, 0, 0.25, 0, 0.75],
        "exposure": [0.75, 0, 0, 0.25],
        "performance": [0, 0, 1],
    }
    assert occupancy(np.zeros(300, dtype=np.int64))["regime"] == [0.0] * 5


def test_actions_are_counted_by_size_leverage_and_exit() -> None:
    full = preset("full")
    counts = np.zeros(full.n, dtype=np.int64)
    counts[full.skip_index] = 6
    counts[full.index_of(1.0, 3, ExitStrategy.BALANCED)] = 3
    counts[full.index_of(0.5, 3, ExitStrategy.AGGRESSIVE)] = 1
    shares = action_shares(full, counts)
    assert shares["size"]["skip"] == 0.6
    assert shares["size"]["1"] == 0.3
    assert shares["leverage"]["3x"] == pytest.approx(0.4)
    assert shares["exit"] == {"conservative": 0.0, "balanced": 0.3, "aggressive": 0.1}
    assert sum(shares["size"].values()) == pytest.approx(1.0)
    assert sum(action_shares(full, np.zeros(full.n, dtype=np.int64))["size"].values()) == 0.0


def test_bars_are_those_with_features_and_a_quorum_of_votes(tape: Tape) -> None:
    counts = np.zeros(300, dtype=np.int64)
    found = occupancy_of(counts, tape.signals, MADE.market, CORE, FIRST, LAST)
    bins: Counter[int] = Counter()
    for t in range(FIRST, LAST + 1):
        for s in range(MADE.market.n_symbols):
            edge = float(tape.signals.edge[t, s])
            if MADE.market.complete[t, s] and edge == edge:
                bins[confidence_bin(min(edge, 1.0))] += 1
    assert found.n_bars == bins.total() > 0
    assert found.bars["confidence"] == [bins[b] / bins.total() for b in range(5)]
    assert sum(found.bars["regime"]) == pytest.approx(1.0)


def test_a_candidate_lies_above_the_least_mark_or_the_least_edge(tape: Tape) -> None:
    counts = np.zeros(300, dtype=np.int64)
    found = occupancy_of(counts, tape.signals, MADE.market, CORE, FIRST, LAST)
    signals = tape.signals
    for s, name in enumerate(MADE.market.symbols):
        mark = found.marks[name]
        assert mark is not None
        rows = np.flatnonzero(signals.candidate[FIRST : LAST + 1, s]) + FIRST
        assert signals.edge[rows, s].min() >= min(mark, CORE.signal.min_edge)
    off = replace(CORE, signal=replace(CORE.signal, top=0.0))
    none = occupancy_of(counts, tape.signals, MADE.market, off, FIRST, LAST)
    assert set(none.marks.values()) == {None}


def test_the_remark_names_what_candidates_cannot_be(tape: Tape) -> None:
    counts = np.zeros(300, dtype=np.int64)
    counts[state_index(1, 4, 0, 2)] = 3
    found = occupancy_of(counts, tape.signals, MADE.market, CORE, FIRST, LAST)
    (line,) = remarks(found, CORE.signal.min_edge)
    assert "at least 0.15" in line
    assert all(name in line for name in MADE.market.symbols)
    counts[state_index(1, 0, 0, 2)] = 1
    held = occupancy_of(counts, tape.signals, MADE.market, CORE, FIRST, LAST)
    assert remarks(held, CORE.signal.min_edge) == []
