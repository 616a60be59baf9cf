"""The ensemble asked bar by bar, on the few bars a live process keeps, equals the signal tape."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ReinforcementSettings
from ensemble.calibrators import Calibrator
from ensemble.crossfit import prepare_data, votes_of_bundle
from ensemble.fitted import Fitted
from ensemble.models import new_forecaster
from ensemble.protocol import Dataset, ModelVote
from ensemble.settings import EnsembleSettings
from ensemble.vote import BarFeatures, EnsembleManager
from ensemble.window import last_bars
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, VoteTable
from envs.core.trade import ResolvedLabel
from envs.core.types import MODEL_NAMES, Int64Array
from envs.core.weight_context import WeightContext
from envs.market.build import build_market
from envs.market.synthetic import SyntheticSettings, generate
from training.tape import Tape, make_tape

SMALL = EnsembleSettings(boosting_rounds=5, network_steps=20)
CORE = CoreSettings()
CUT, FIRST = 2_800, 3_000
N_DRAWN = 250


@dataclass(frozen=True)
class Made:
    """The bundle, its votes on the whole market, and drawn rows after training."""

    data: Dataset
    fitted: Fitted
    votes: VoteTable
    rows: Int64Array


@pytest.fixture(scope="module")
def made() -> Made:
    names = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
    drawn = generate(SyntheticSettings(symbols=names, n_bars=3_600, seed=1))
    market, _ = build_market(drawn.series, drawn.instruments)
    data, labels = prepare_data(market, CORE)
    train = market.complete & (labels.end >= 0)
    train[CUT:] = False
    held = market.complete.copy()
    held[:CUT] = False
    rows, symbols = np.nonzero(held)
    fitted, lines = Fitted(), []
    for name in MODEL_NAMES:
        model = new_forecaster(name, SMALL)
        model.fit(data, train, 3)
        raw = model.predict(data, rows[::20], symbols[::20])
        up, down = Calibrator("platt", (0.8, 0.1)), Calibrator("platt", (0.9, -0.05))
        mean = float(np.mean(up.apply(raw.up) - down.apply(raw.down)))
        fitted.models[name], fitted.calibrators[name] = model, (up, down)
        lines.append(EvLine(1.2, mean, 0.4, rows.size))
    fitted.lines = tuple(lines)
    votes = votes_of_bundle(market, CORE, fitted)
    after = np.arange(FIRST, market.n_bars - 1)
    rng = np.random.default_rng(0)
    return Made(data, fitted, votes, np.sort(rng.choice(after, N_DRAWN, replace=False)))


def tape_of(made: Made, algorithm: str) -> Tape:
    return make_tape(
        prepare(made.data.market, CORE), made.votes, CORE, ReinforcementSettings(),
        np.array([FIRST]), None, algorithm,
    )  # fmt: skip


def contexts(made: Made, algorithm: str) -> dict[int, WeightContext]:
    """Context at the drawn rows of a manager that learns label after label, as a live one does."""
    votes, market = made.votes, made.data.market
    settings = replace(ReinforcementSettings(), algorithm=algorithm)
    manager, out = ReinforcementManager(settings, votes.horizon_bars), {}
    known = (votes.label_end >= 0) & np.isfinite(votes.y_long)
    rows, symbols = np.nonzero(known)
    ends = votes.label_end[rows, symbols]
    for t in range(int(made.rows[-1]) + 1):
        at = np.flatnonzero(ends == t)
        manager.learn_labels([
            ResolvedLabel(
                market.symbols[s], int(market.close_ns[r]), int(market.close_ns[t]),
                votes.p_up[r, s], votes.p_down[r, s],
                int(votes.y_long[r, s]), int(votes.y_short[r, s]),
            )
            for r, s in zip(rows[at], symbols[at], strict=True)
        ])  # fmt: skip
        if t in made.rows:
            out[t] = manager.get_reinforcement_context()
    return out


@pytest.fixture(scope="module")
def asked(made: Made) -> dict[tuple[int, int], dict[str, ModelVote]]:
    """Votes of the models on the drawn bars, each asked alone on a short window."""
    manager = EnsembleManager(made.fitted, None, CORE, budget_s=60.0)
    context = ReinforcementManager(ReinforcementSettings(algorithm="uniform"), 8)
    out = {}
    for t in made.rows.tolist():
        window = last_bars(made.data, t, manager.bars_needed)
        at = BarFeatures(window, window.market.n_bars - 1)
        for s, name in enumerate(made.data.market.symbols):
            _, _, meta = manager.predict_with_rl(name, at, context.get_reinforcement_context())
            out[t, s] = meta["model_votes"]
    return out


def test_the_models_vote_alone_as_in_the_table(
    made: Made, asked: dict[tuple[int, int], dict[str, ModelVote]]
) -> None:
    for (t, s), votes in asked.items():
        for m, name in enumerate(MODEL_NAMES):
            got, table = votes[name], made.votes
            assert got.valid == table.valid[t, s, m]
            assert got.valid, f"{name} abstains: {got.reason}"
            assert (got.p_up, got.p_down) == (table.p_up[t, s, m], table.p_down[t, s, m])
            assert got.action == np.sign(table.ev[t, s, m])
    for m, name in enumerate(MODEL_NAMES):
        assert np.unique(made.votes.p_up[made.rows, :, m]).size > 10, name


@pytest.mark.parametrize("algorithm", ["uniform", "aa", "platt_exponential"])
def test_the_vote_equals_the_tape(
    algorithm: str, made: Made, asked: dict[tuple[int, int], dict[str, ModelVote]]
) -> None:
    tape = tape_of(made, algorithm)
    signals, market = tape.signals, made.data.market
    manager = EnsembleManager(made.fitted, tape.line, CORE)
    context = contexts(made, algorithm)
    learns_trades, sides = algorithm == "platt_exponential", []
    for (t, s), votes in asked.items():
        # weights of the exponential family move with trades, which the tape's own course makes
        known = replace(context[t], weights=signals.weights[t, s]) if learns_trades else context[t]
        got = manager.combine(votes, known, float(market.atr_frac[t, s]))
        expected = (signals.side[t, s], signals.consensus[t, s], signals.reason[t, s])
        level = ("none", "weak", "medium", "strong").index(got.meta["consensus"])
        assert (got.action, level, got.reason) == expected, (t, s)
        numbers = (got.meta["score"], got.meta["ev"], got.confidence)
        wanted = (signals.score[t, s], signals.ev[t, s], signals.confidence[t, s])
        assert numbers == wanted, (t, s)
        sides.append(got.action)
    assert {1, -1} <= set(sides)
