"""Known answers of the vote, through EnsembleManager."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ensemble.fitted import Fitted
from ensemble.protocol import ModelVote
from ensemble.vote import EnsembleManager, abstain
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine
from envs.core.types import MODEL_NAMES, EntryStyle, VoteReason
from envs.core.weight_context import WeightContext

ATR = 0.02


def context(algorithm: str = "uniform") -> WeightContext:
    return WeightContext(
        algorithm, np.array([0.25, 0.25, 0.30, 0.20]), np.ones(4), False, 1.0,
        np.full((2, 7), 1 / 7), np.tile(np.array([1.0, 0.0]), (2, 4, 1)), 0.25,
    )  # fmt: skip


def votes(*stated: tuple[int, float], spread: float = 0.05) -> dict[str, ModelVote]:
    return {
        n: ModelVote(a, 0.4 + spread, 0.4, 0.15, c, True, "OK", "", "h", 1)
        for n, (a, c) in zip(MODEL_NAMES, stated, strict=False)
    }


def manager(se: float = 0.4) -> EnsembleManager:
    return EnsembleManager(Fitted(), EvLine(1.2, 0.0, se, 1_000), CoreSettings())


def test_display_scores() -> None:
    meta = manager().combine(votes((1, 0.85), (1, 0.78), (0, 0.55), (1, 0.62)), context(), ATR).meta
    assert meta["long_score"] == pytest.approx(0.5315)
    assert meta["hold_score"] == pytest.approx(0.165)
    assert meta["consensus"] == "strong"
    meta = manager().combine(votes((1, 0.75), (-1, 0.65), (1, 0.55), (0, 0.8)), context(), ATR).meta
    got = (meta["long_score"], meta["short_score"], meta["hold_score"])
    assert got == pytest.approx((0.3525, 0.1625, 0.16))
    assert meta["consensus"] == "weak"


@pytest.mark.parametrize(("spread", "side"), [(0.05, 1), (-0.05, -1)])
def test_edge_confidence(spread: float, side: int) -> None:
    got = manager().combine(votes(*[(side, 0.5)] * 4, spread=spread), context(), ATR)
    assert got.action == side
    assert got.meta["ev"] == pytest.approx(side * 0.00106667, abs=1e-8)
    assert got.meta["round_trip"] == pytest.approx(0.00156)
    assert got.confidence == pytest.approx(0.683761, abs=1e-6)


def test_holds_and_their_reasons() -> None:
    cases = [
        (manager(1.3), votes(*[(1, 0.5)] * 4), VoteReason.NO_EDGE),
        (manager(), votes((1, 0.5), (0, 0.5), (0, 0.5)), VoteReason.NO_SUPPORT),
        (manager(), votes((1, 0.5), (1, 0.5), (-1, 0.5), (-1, 0.5)), VoteReason.SPLIT),
        (manager(), votes((1, 0.5)), VoteReason.QUORUM),
        (manager(), votes((1, -0.0), (1, math.nan), (1, 0.5)), VoteReason.QUORUM),
    ]
    for who, stated, reason in cases:
        got = who.combine(stated, context(), ATR)
        assert (got.action, got.confidence, got.reason) == (0, 0.0, reason)


def test_a_resting_entry_costs_less() -> None:
    settings = CoreSettings(entry=replace(CoreSettings().entry, style=EntryStyle.POST_ONLY))
    who = EnsembleManager(Fitted(), EvLine(1.2, 0.0, 0.4, 1_000), settings)
    got = who.combine(votes(*[(1, 0.5)] * 4), context(), ATR)
    assert got.meta["round_trip"] == pytest.approx(0.00098)
    assert got.confidence == 1.0


@pytest.mark.parametrize(
    ("stated", "level"),
    [
        (((1, 0.5), (1, 0.5), (1, 0.5), (-1, 0.5)), "strong"),
        (((1, 0.5), (1, 0.5), (0, 0.5), (0, 0.5)), "medium"),
        (((1, 0.5), (1, 0.5), (-1, 0.5), (0, 0.5)), "weak"),
    ],
)
def test_entries_need_the_consensus_that_is_set(
    stated: tuple[tuple[int, float], ...], level: str
) -> None:
    levels = ("weak", "medium", "strong")
    for wanted in levels:
        settings = CoreSettings()
        settings = replace(settings, signal=replace(settings.signal, min_consensus=wanted))
        who = EnsembleManager(Fitted(), EvLine(1.2, 0.0, 0.4, 1_000), settings)
        got = who.combine(votes(*stated), context(), ATR)
        assert (got.action, got.meta["consensus"]) == (1, level)
        assert who.may_enter(got) == (levels.index(level) >= levels.index(wanted))


def test_a_hold_may_not_enter() -> None:
    got = manager(1.3).combine(votes(*[(1, 0.5)] * 4), context(), ATR)
    assert not manager(1.3).may_enter(got)


@pytest.mark.parametrize("algorithm", ["aa", "fixed_share", "platt_exponential", "exponential"])
def test_exploring_gives_the_valid_models_equal_weight(algorithm: str) -> None:
    stated = votes(*[(1, 0.5)] * 4)
    for k, name in enumerate(MODEL_NAMES):
        stated[name] = replace(stated[name], p_up=0.5 + 0.05 * k)
    stated["patchtst"] = abstain("LATE")
    learned = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1])
    uses = replace(context(algorithm), posteriors=np.stack([learned, learned]))
    explores = replace(uses, weights=np.full(4, 0.25), is_exploring=True, propensity=0.2)
    got = manager().combine(stated, explores, ATR)
    assert got.meta["score"] == pytest.approx(0.55 - 0.4)
    assert got.meta["propensity"] == 0.2
    assert got.meta["is_exploring"]
    other = manager().combine(stated, uses, ATR)
    assert other.meta["score"] != pytest.approx(got.meta["score"], abs=1e-4)
