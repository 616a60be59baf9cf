"""Bars for the tests of the market layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from envs.core.instrument import Instrument
from envs.core.types import NS_PER_HOUR
from envs.market.bars import RawSeries

FIRST_BAR = 512 * 850
"""Number of the first hour since 1970: an anchor, in 2019."""


def random_walk(
    n: int = 2_200, seed: int = 0, symbol: str = "BTCUSDT", first_bar: int = FIRST_BAR
) -> RawSeries:
    """Hourly bars in whole cents, with funding every 8 hours and marks near the last price."""
    rng = np.random.default_rng(seed)
    open_ns = (first_bar + np.arange(n, dtype=np.int64)) * NS_PER_HOUR
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.008, n)))
    first = np.concatenate([[100.0], close[:-1]])
    reach = np.abs(rng.normal(0.0, 0.006, (2, n)))
    high, low = (
        np.maximum(first, close) * (1.0 + reach[0]),
        np.minimum(first, close) * (1 - reach[1]),
    )
    o, h, low, c = (np.rint(x * 100.0) / 100.0 for x in (first, high, low, close))
    volume = rng.lognormal(3.0, 0.6, n)
    stamps = open_ns[open_ns % (8 * NS_PER_HOUR) == 0]
    rates = rng.normal(1e-4, 1e-4, stamps.size)
    mark = np.stack([o, h, low, c], axis=1) * (1.0 + rng.normal(0.0, 1e-4, (n, 1)))
    return RawSeries(
        symbol, NS_PER_HOUR, open_ns, o, h, low, c, volume, stamps, rates, open_ns, mark,
        source=f"{symbol}-1h.parquet",
    )  # fmt: skip


def contract(symbol: str = "BTCUSDT") -> Instrument:
    return Instrument.of(symbol, "0.01", "0.001")


@pytest.fixture(scope="session")
def walk() -> Callable[..., RawSeries]:
    return random_walk


@pytest.fixture(scope="session")
def contract_of() -> Callable[..., Instrument]:
    return contract
