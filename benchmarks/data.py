"""The market of every scenario: four symbols of hourly bars, and candidates drawn on them."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from envs.core.market_data import MarketData
from envs.core.series import MarketSeries, prepare
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape

ROOT = Path(__file__).resolve().parents[1]
SYMBOLS = ("BTCUSDT", "ETHUSDT", "LTCUSDT", "XRPUSDT")
START, END = "2020-01-09", "2025-01-01"
SYNTHETIC_BARS = 20_000
EPISODE_BARS = 2_160
SEED = 0


@dataclass(frozen=True)
class Scene:
    """A market laid out for the rules, and where it comes from (``real`` or ``synthetic``)."""

    market: MarketData
    data: MarketSeries
    settings: CoreSettings
    origin: str


def real_folder() -> Path | None:
    """Folder of real bars: ``QT_REAL_DATA``, else ``shared/data`` beside the checkout."""
    given = os.environ.get("QT_REAL_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    return folder if (folder / "perp").is_dir() else None


@lru_cache(maxsize=1)
def scene() -> Scene:
    """The market, read or generated once a process."""
    folder = real_folder()
    settings = CoreSettings()
    if folder is not None:
        from envs.market.build import load_market

        market, _ = load_market(folder, SYMBOLS, "1h", _stamp(START), _stamp(END))
        return Scene(market, prepare(market, settings), settings, "real")
    from envs.market.planted import synthetic_market
    from envs.market.synthetic import SyntheticSettings

    made = synthetic_market(SyntheticSettings(symbols=SYMBOLS, n_bars=SYNTHETIC_BARS, seed=SEED))
    return Scene(made.market, prepare(made.market, settings), settings, "synthetic")


def first_bars(share: int) -> Scene:
    """The scene cut to the first 1/``share`` of its bars."""
    whole = scene()
    n, old = whole.market.n_bars // share, whole.market
    cut: dict[str, Any] = {
        f.name: value[:n]
        for f in fields(old)
        if isinstance(value := getattr(old, f.name), np.ndarray) and value.shape[0] == old.n_bars
    }
    market = replace(old, **cut)
    return Scene(market, prepare(market, whole.settings), whole.settings, whole.origin)


@lru_cache(maxsize=4)
def drawn_tape(density: float, n_bars: int | None = None) -> SignalTape:
    """Candidates on a share of the symbol-bars, sides and confidences drawn at random.

    ``n_bars``: draw for that many bars of the scene; the draws of the first bars do not change.
    """
    market = scene().market
    rng = np.random.default_rng([SEED, round(density * 1e6)])
    shape = market.valid.shape
    side = rng.choice(np.array([-1, 1], dtype=np.int8), shape)
    candidate = (rng.random(shape) < density) & market.complete
    confidence = rng.random(shape)
    n = market.n_bars if n_bars is None else n_bars
    candidate[n - 1 :] = False
    zero, small = np.zeros((n, shape[1])), np.zeros((n, shape[1]), dtype=np.int8)
    return SignalTape(
        side[:n], zero, zero, zero, side[:n] * 0.002, confidence[:n], zero, small, small,
        np.full((n, shape[1], 4), 0.25), np.ones((n, shape[1], 4)), candidate[:n],
        np.full((n, 3, 3), np.nan), "planted", "uniform",
    )  # fmt: skip


def _stamp(day: str) -> int:
    return int(np.datetime64(day, "ns").astype(np.int64))
