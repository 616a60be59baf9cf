"""Policies drawn by decision id: the same everywhere, within the mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.protocol import SizingAgent
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from envs.core.actions import preset
from envs.core.errors import FixInput
from envs.core.rules.sizing import Funds
from envs.core.trade import SizingContext
from envs.core.view import DecisionView
from runtime.parity.brains import DrawnPolicy, policy_of

PRESET = preset("full")


def view(name: str, mask: list[int]) -> DecisionView:
    allowed = np.zeros(PRESET.n, dtype=np.bool_)
    allowed[mask] = True
    nothing = np.zeros(PRESET.n)
    context = SizingContext(
        0, allowed, nothing, allowed & False, 0.001, 0.5, 0.001, 0.01, np.full((3, 3), np.nan)
    )
    return DecisionView(
        name, 0, 0, "BTCUSDT", 0, 1, 0, 100, 1.0, context, Funds(1.0, 1.0, 0.0, 0.0, 1.0),
        nothing.astype(np.int64), nothing.astype(np.int8), 1, 1, 0.0, (), (), (), (), True, "",
    )  # fmt: skip


@pytest.mark.parametrize("skips", [True, False])
def test_the_same_decision_is_always_drawn_alike(skips: bool) -> None:
    one, two = DrawnPolicy(PRESET, skips=skips), DrawnPolicy(PRESET, skips=skips)
    rng = np.random.default_rng(1)
    for k in range(50):
        seen = view(f"sim:BTCUSDT:{k}", [0, 3, 7, 20])
        choice = one.decide_view(seen, rng)
        assert choice == two.decide_view(seen, None)
        assert choice.propensities is not None
        assert choice.propensities.sum() == pytest.approx(1.0)
        assert choice.propensities[choice.index] > 0.0


def test_only_what_is_allowed_is_drawn_and_all_of_it() -> None:
    skip = PRESET.skip_index
    assert skip is not None
    allowed = [skip, skip + 3, skip + 7]
    for skips, wanted in ((True, set(allowed)), (False, set(allowed[1:]))):
        policy = DrawnPolicy(PRESET, skips=skips)
        drawn = {policy.decide_view(view(f"sim:X:{k}", allowed), None).index for k in range(200)}
        assert drawn == wanted


def test_without_anything_else_it_skips() -> None:
    skip = PRESET.skip_index
    assert skip is not None
    policy = DrawnPolicy(PRESET, skips=False)
    assert policy.decide_view(view("sim:X:1", [skip]), None).index == skip


def test_policies_by_name() -> None:
    shipped: SizingAgent = CounterfactualAgent(PRESET, SizingSettings())
    assert policy_of("shipped", shipped) is shipped
    assert policy_of("always", shipped).digest() != policy_of("random", shipped).digest()
    with pytest.raises(FixInput, match="--policy"):
        policy_of("best", shipped)


def test_what_is_not_seen_does_not_matter() -> None:
    policy = DrawnPolicy(PRESET, skips=True)
    seen = view("sim:X:5", [0, 3, 7])
    other = replace(seen, equity_units=5, score=0.3)
    assert policy.decide_view(seen, None) == policy.decide_view(other, None)
