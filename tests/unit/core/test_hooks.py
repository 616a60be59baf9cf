"""The hook chain fails closed on what a broken adviser or signal hands it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from envs.core.hooks import Effect, HookChain, HookPoint, Mode, Raise, Scale, Seat
from envs.core.trade import SizingChoice
from envs.core.view import DecisionView


class Says:
    name = "says"

    def __init__(self, point: HookPoint, effect: Effect) -> None:
        self.points: Sequence[HookPoint] = (point,)
        self._effect = effect

    def answer(self, point: HookPoint, view: DecisionView) -> Effect:
        return self._effect


def view(confidence: float) -> DecisionView:
    return cast(Any, SimpleNamespace(context=SimpleNamespace(confidence=confidence)))


@pytest.mark.parametrize(("confidence", "allowed"), [(0.2, True), (0.19, False), (math.nan, False)])
def test_an_entry_needs_a_known_confidence(confidence: float, allowed: bool) -> None:
    assert HookChain(min_confidence=0.2).check_entry(view(confidence)).allowed is allowed


@pytest.mark.parametrize("mode", [Mode.ADVISORY, Mode.ENFORCED])
@pytest.mark.parametrize("factor", [-0.5, math.nan])
def test_a_broken_factor_never_enlarges_or_turns_an_order(factor: float, mode: Mode) -> None:
    chain = HookChain([Seat(Says(HookPoint.POSITION_SIZING, Scale(factor)), mode)])
    got, _ = chain.size_factor(view(1.0), cast(SizingChoice, SimpleNamespace(index=1)))
    assert got == (0.0 if mode is Mode.ENFORCED else 0.6)


def test_an_unknown_threshold_blocks() -> None:
    point = HookPoint.CONFIDENCE_ADJUSTMENT
    chain = HookChain([Seat(Says(point, Raise(math.nan)), Mode.ENFORCED)])
    assert not chain.check_entry(view(1.0)).allowed


@pytest.mark.parametrize(
    ("base", "said", "confidence", "allowed"),
    [
        (0.20, [(0.10, Mode.ENFORCED)], 0.30, True),
        (0.20, [(0.10, Mode.ENFORCED), (0.05, Mode.ENFORCED)], 0.34, False),
        (0.20, [(0.10, Mode.ENFORCED), (0.05, Mode.ENFORCED)], 0.35, True),
        (0.20, [(0.10, Mode.ENFORCED), (-0.05, Mode.ENFORCED)], 0.25, True),
        (0.20, [(-0.50, Mode.ENFORCED)], 0.19, False),
        (0.20, [(0.90, Mode.ADVISORY)], 0.40, True),
        (0.20, [(-0.10, Mode.ADVISORY)], 0.19, False),
        (0.20, [(5.0, Mode.ENFORCED)], 0.95, True),
        (0.20, [(5.0, Mode.OBSERVE)], 0.20, True),
        (0.20, [(math.inf, Mode.ENFORCED), (-math.inf, Mode.ENFORCED)], 1.0, False),
    ],
)
def test_thresholds_add_up_within_their_bounds(
    base: float, said: list[tuple[float, Mode]], confidence: float, allowed: bool
) -> None:
    point = HookPoint.CONFIDENCE_ADJUSTMENT
    seats = [Seat(Says(point, Raise(delta)), mode) for delta, mode in said]
    for order in (seats, seats[::-1]):
        chain = HookChain(order, min_confidence=base)
        assert chain.check_entry(view(confidence)).allowed is allowed
