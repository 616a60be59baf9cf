from __future__ import annotations

from hashlib import sha256

import pytest

from agents.memory.setups import Bar, MarketMemory, Setup
from envs.core.types import Regime

UNKNOWN = int(Regime.UNKNOWN)


def memory_of(regimes: list[int]) -> MarketMemory:
    out = MarketMemory()
    for k, regime in enumerate(regimes):
        out.learn(Bar("X", k, regime))
    return out


def test_the_hash_is_that_of_the_five_words() -> None:
    setup = Setup("BTCUSDT", "TRENDING", "NORMAL", "UP", "BULL_WEAK")
    text = b"BTCUSDT|TRENDING|NORMAL|UP|BULL_WEAK"
    assert setup.hash == sha256(text).hexdigest()[:16]


@pytest.mark.parametrize(
    ("regimes", "stability"),
    [
        ([], 1.0),
        ([UNKNOWN, UNKNOWN, 1, 1], 1.0),
        ([0, 1, 1, 1], 1.0 - 1 / 6),
        ([0, 1, 0, 1, 0, 1, 0], 0.0),
        ([0, 1] * 10, 0.0),
        ([0, *[1] * 24], 1.0 - 1 / 6),
        ([0, *[1] * 25], 1.0),
        ([0, UNKNOWN, 1], 1.0),
    ],
)
def test_stability_counts_changes_of_the_last_24_bars(regimes: list[int], stability: float) -> None:
    assert memory_of(regimes).stability("X", 10**6) == pytest.approx(stability)


def test_bars_after_the_moment_are_not_seen() -> None:
    assert memory_of([0, 0, 1, 0, 1]).stability("X", 1) == 1.0


@pytest.mark.parametrize(
    ("momentum", "word"), [(1.0, "UP"), (0.99, "FLAT"), (-1.0, "DOWN"), (float("nan"), "UNKNOWN")]
)
def test_momentum_words(momentum: float, word: str) -> None:
    held = MarketMemory()
    held.learn(Bar("X", 1, 0, 4, momentum))
    setup = held.setup("X", 1, 0, 0.004)
    assert (setup.momentum, setup.trend, setup.volatility) == (word, "NONE", "LOW")


def test_saved_bars_come_back() -> None:
    held = MarketMemory()
    for k in range(200):
        held.learn(Bar("X", k, k % 4, k % 8, k / 10))
    again = MarketMemory.from_values(held.values())
    assert again.values() == held.values()
    assert len(again.values()["X"]) == 128
    assert again.setup("X", 150, 0, 0.01) == held.setup("X", 150, 0, 0.01)
