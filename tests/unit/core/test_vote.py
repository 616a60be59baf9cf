"""Vote rules at their bounds; NaN supports no side."""

from __future__ import annotations

import math

import pytest

from envs.core.rules import vote


def test_not_a_number_supports_nothing() -> None:
    assert vote.model_side(math.nan) == 0
    assert vote.shrunk_slope(math.nan, 0.1) == 0.0


@pytest.mark.parametrize(
    ("support", "against", "valid", "strength"),
    [(4, 0, 4, 3), (3, 1, 4, 3), (2, 0, 4, 2), (2, 1, 3, 2), (2, 1, 4, 1), (2, 2, 4, 0)],
)  # fmt: skip
def test_consensus(support: int, against: int, valid: int, strength: int) -> None:
    assert vote.consensus(support, against, valid) == strength


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ((1, 2, 1, 1, 0), vote.VOTE_QUORUM), ((4, 2, 0, 3, 1), vote.VOTE_NO_EDGE),
        ((4, 2, 1, 2, 2), vote.VOTE_SPLIT), ((3, 2, 1, 1, 2), vote.VOTE_NO_SUPPORT),
        ((2, 2, 1, 2, 0), vote.VOTE_OK),
    ],
)  # fmt: skip
def test_hold_reasons(args: tuple[int, int, int, int, int], reason: int) -> None:
    assert vote.hold_reason(*args) == reason
