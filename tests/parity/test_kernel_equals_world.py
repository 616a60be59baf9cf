"""The runtime's kernel on the simulated exchange == the core's world, without tolerance.

Both decide on the same drawn markets with the same drawn actions; the world fills orders itself,
the kernel places entries, stops, partials and targets at an exchange and books what that tells.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.core.trade import ClosedTrade
from envs.core.types import ExitReason
from tests.parity.faces import Face, KernelCase, case_of, ride_sim, ride_world


def in_order(trades: list[ClosedTrade]) -> list[ClosedTrade]:
    """By time of exit; those of one instant by name."""
    return sorted(trades, key=lambda t: (t.exit_ns, t.symbol, t.decision_id))


def compare(case: KernelCase) -> Face:
    """Run both and compare everything."""
    world, live = ride_world(case), asyncio.run(asyncio.wait_for(ride_sim(case), 60))
    for mine, theirs in zip(in_order(live.trades), in_order(world.trades), strict=True):
        assert mine == theirs
    assert Counter(live.ledger) == Counter(world.ledger)
    assert sorted(live.skips) == sorted(world.skips)
    assert live.equity == world.equity
    assert live.cash == world.cash
    return live


@pytest.mark.parametrize("shock", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("with_mark", [False, True])
def test_the_kernel_trades_as_the_world_does(shock: float, with_mark: bool) -> None:
    reasons: Counter[ExitReason] = Counter()
    for seed in range(3):
        case = case_of(seed, shock=shock, with_mark=with_mark, eager=not with_mark)
        reasons += Counter(leg.reason for t in compare(case).trades for leg in t.legs)
    wanted = {ExitReason.STOP, ExitReason.TARGET, ExitReason.PARTIAL, ExitReason.END}
    wanted |= {ExitReason.TIME} if shock == 0.0 else set()
    assert wanted <= set(reasons)


@given(
    seed=st.integers(0, 10**6), shock=st.sampled_from([0.0, 0.05, 0.2]), symbols=st.integers(1, 3)
)
@settings(max_examples=12)
def test_drawn_markets_end_in_the_same_books(seed: int, shock: float, symbols: int) -> None:
    compare(case_of(seed, n=60, symbols=symbols, shock=shock))
