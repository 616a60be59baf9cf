"""The market environments use when none is given: seeded, synthetic, with planted votes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from envs.core.market_data import MarketData
from envs.core.rules.vote import ev_long
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, ExitSlope, SignalTape, VoteTable
from envs.kernel.signal import candidates_of, votes_of
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings


@lru_cache(maxsize=4)
def default_environment_data(
    n_bars: int = 4_000, seed: int = 0
) -> tuple[MarketData, SignalTape, VoteTable]:
    """Two symbols of hourly bars, their uniform signal tape and planted votes; made once."""
    made = synthetic_market(SyntheticSettings(n_bars=n_bars, seed=seed))
    tape = uniform_tape(made.market, made.votes, made.pool_line, made.exit_slopes)
    return made.market, tape, made.votes


def uniform_tape(
    market: MarketData,
    votes: VoteTable,
    line: EvLine,
    exit_slopes: Sequence[ExitSlope] | None = None,
) -> SignalTape:
    """Tape of equal weights, one given EV line and exit slopes (NaN without), nothing learned."""
    settings = CoreSettings()
    count = votes.valid.sum(axis=2)
    with np.errstate(invalid="ignore"):
        up = np.where(count > 0, np.nansum(votes.p_up, axis=2) / np.maximum(count, 1), np.nan)
        down = np.where(count > 0, np.nansum(votes.p_down, axis=2) / np.maximum(count, 1), np.nan)
    score = up - down
    slope = ev_long(line.b, line.se, 0.0, 1.0, 1.0)
    ev = np.where(market.complete, slope * (score - line.s_mean) * market.atr_frac, np.nan)
    slip = np.stack([np.asarray(x) for x in prepare(market, settings).slip_next], axis=1)
    side, confidence, edge, level, reason = votes_of(
        ev, votes.ev, votes.valid, slip, settings, post_only=False
    )
    candidate = candidates_of(market.complete, market.valid, side, edge, level, settings)
    weights = np.where(votes.valid, 1.0 / np.maximum(count, 1)[:, :, None], 0.0)
    slopes = np.full((market.n_bars, 3, 3), np.nan)
    if exit_slopes is not None:
        slopes[:] = [(x.b, x.se, x.q) for x in exit_slopes]
    return SignalTape(
        side, score, up, down, np.nan_to_num(ev), confidence, edge, level, reason, weights,
        np.ones_like(weights), candidate, slopes, votes.origin,
        "uniform",
    )  # fmt: skip
