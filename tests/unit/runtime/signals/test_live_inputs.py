"""Funding and marks that arrive one by one are those of a history that holds them all."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from agents.reinforcement.manager import ReinforcementManager
from envs.core.errors import FixData
from envs.core.series import prepare
from envs.core.types import NS_PER_HOUR
from envs.market.bars import RawSeries
from envs.market.build import build_market
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings, generate
from runtime.port_market import Bar
from runtime.settings import Settings
from runtime.signals.live import LiveSignals
from runtime.signals.live_inputs import Funding, pending_bars, series_of
from runtime.signals.voters import KnownVoter

WANTED = SyntheticSettings(n_bars=200, seed=3)
BEGUN, LAST = 1_640, 1_690
MS = 1_000_000


def with_marks(raw: RawSeries) -> RawSeries:
    """Marks a little off the last price, one of them missing."""
    prices = np.stack([raw.open, raw.high, raw.low, raw.close], axis=1) * 1.0007
    keep = np.arange(raw.open_ns.size) != BEGUN + 11
    return replace(raw, mark_open_ns=raw.open_ns[keep], mark=prices[keep])


def known_by(raw: RawSeries, close_ns: int) -> RawSeries:
    """What a venue can tell at a close."""
    assert raw.funding_ns is not None
    assert raw.funding_rate is not None
    assert raw.mark_open_ns is not None
    assert raw.mark is not None
    settled = raw.funding_ns <= close_ns
    closed = raw.mark_open_ns + raw.interval_ns <= close_ns
    return replace(
        raw.between(None, close_ns), funding_ns=raw.funding_ns[settled],
        funding_rate=raw.funding_rate[settled], mark_open_ns=raw.mark_open_ns[closed],
        mark=raw.mark[closed],
    )  # fmt: skip


def test_what_arrives_bar_by_bar_equals_the_whole_history() -> None:
    made, drawn, settings = synthetic_market(WANTED), generate(WANTED), Settings()
    series = [with_marks(r) for r in drawn.series]
    market, _ = build_market(series, drawn.instruments)
    data, begun = prepare(market, settings.core), int(market.close_ns[BEGUN])
    live = LiveSignals(
        [known_by(r, begun) for r in series], drawn.instruments,
        KnownVoter(made.votes, market.close_ns), settings,
        ReinforcementManager(settings.reinforcement, 8), None, (None, None, None),
    )  # fmt: skip
    bars = pending_bars(series, begun)

    async def follow() -> None:
        await live.start()
        for row in range(BEGUN + 1, LAST):
            close_ns = int(market.close_ns[row])
            for raw in series:
                tell(live, raw, close_ns)
            live.receive(close_ns, bars[close_ns])
            await live.vote()
            live.weigh()
            for name in ("mark", "funding_rate", "funding_stamp", "features", "complete"):
                got, want = getattr(live.data.market, name), getattr(market, name)
                assert got[live.row].tobytes() == want[row].tobytes(), (name, row)
            assert live.data.rows[live.row].tobytes() == data.rows[row].tobytes()
        await live.stop()

    asyncio.run(follow())
    assert market.funding_stamp[BEGUN:LAST].any()


def tell(live: LiveSignals, raw: RawSeries, close_ns: int) -> None:
    """Settled rates and the closed mark of one bar, twice as a venue may."""
    assert raw.funding_ns is not None
    assert raw.funding_rate is not None
    assert raw.mark_open_ns is not None
    assert raw.mark is not None
    before = close_ns - raw.interval_ns
    for _ in range(2):
        due = np.flatnonzero((raw.funding_ns > before) & (raw.funding_ns <= close_ns))
        for k in due.tolist():
            live.settle(raw.symbol, int(raw.funding_ns[k]) + 3 * MS, float(raw.funding_rate[k]))
        for k in np.flatnonzero(raw.mark_open_ns == before).tolist():
            prices = raw.mark[k].tolist()
            live.mark(Bar(raw.symbol, before // MS, close_ns // MS, *prices, 0.0))


def test_a_rate_that_is_none_is_refused() -> None:
    funding = Funding(None, None, NS_PER_HOUR, 0.0001)
    for rate in (float("nan"), 0.2, -0.11):
        with pytest.raises(FixData, match="give a fraction"):
            funding.note(0, rate)
    assert funding.at(8 * NS_PER_HOUR)[0] == 0.0001


def test_a_feeds_bars_become_a_series() -> None:
    raw = generate(WANTED).series[0]
    assert raw.funding_ns is not None
    assert raw.funding_rate is not None
    bars = [x for group in pending_bars([raw], 0).values() for x in group]
    funding = list(zip(raw.funding_ns.tolist(), raw.funding_rate.tolist(), strict=True))
    got = series_of(raw.symbol, bars, raw.interval_ns, funding, bars[:5])
    for name in ("open_ns", "open", "high", "low", "close", "volume", "funding_ns", "funding_rate"):
        assert getattr(got, name).tobytes() == getattr(raw, name).tobytes(), name
    assert got.mark is not None
    assert got.mark[:, 3].tolist() == raw.close[:5].tolist()
    assert series_of(raw.symbol, bars, raw.interval_ns).funding_ns is None
