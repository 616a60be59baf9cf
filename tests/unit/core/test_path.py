"""First event of a piece: touch fires, ties resolve against the trader, gaps fill at the open."""

from __future__ import annotations

import pytest

from envs.core.rules.path import (
    LIQUIDATION,
    NOTHING,
    PARTIAL,
    STOP,
    TARGET,
    event_at_open,
    event_on_piece,
    is_quiet,
)

LEVELS = (90, 110, 120, False, 50)


@pytest.mark.parametrize(
    ("price", "mark", "kind", "at"),
    [
        (100, 100.0, NOTHING, 100), (90, 90.0, STOP, 90), (80, 80.0, STOP, 80),
        (110, 110.0, PARTIAL, 110), (130, 130.0, PARTIAL, 130), (80, 50.0, LIQUIDATION, 50),
    ],
)  # fmt: skip
def test_open(price: int, mark: float, kind: int, at: int) -> None:
    assert event_at_open(price, mark, *LEVELS)[:2] == (kind, at)


def test_a_done_partial_leaves_the_target() -> None:
    assert event_at_open(125, 125.0, 90, 110, 120, True, 50)[:2] == (TARGET, 125)
    assert event_on_piece(100, 130, 100.0, 130.0, 90, 110, 120, True, 50)[:2] == (TARGET, 120)


@pytest.mark.parametrize(
    ("to", "kind", "at", "u"),
    [(91, NOTHING, 91, 2.0), (90, STOP, 90, 1.0), (80, STOP, 90, 0.5), (120, PARTIAL, 110, 0.5)],
)
def test_piece(to: int, kind: int, at: int, u: float) -> None:
    assert event_on_piece(100, to, 100.0, float(to), *LEVELS) == (kind, at, u)


def test_liquidation_wins_a_tie_and_loses_to_an_earlier_stop() -> None:
    assert event_on_piece(100, 80, 100.0, 80.0, 90, 110, 120, False, 90).kind == LIQUIDATION
    assert event_on_piece(100, 80, 100.0, 80.0, 90, 110, 120, False, 89).kind == STOP
    assert event_on_piece(100, 100, 100.0, 80.0, *LEVELS[:4], 85).kind == LIQUIDATION


def test_quiet_is_strictly_between_all_levels() -> None:
    def quiet(low: int, high: int, mark: float = 95.0, done: bool = False) -> bool:
        return is_quiet(low, high, mark, 90, 110, 120, done, 50, 118.0)

    assert quiet(91, 109)
    assert quiet(91, 117, done=True)
    assert not quiet(90, 109)
    assert not quiet(91, 110)
    assert not quiet(91, 118, done=True)
    assert not quiet(91, 109, mark=50.0)
