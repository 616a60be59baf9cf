"""What a live process does with times, late models, failures and long holes of its feed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from agents.reinforcement.manager import ReinforcementManager
from ensemble.batch import ModelAnswer
from ensemble.protocol import Dataset
from envs.core.errors import FixData
from envs.core.types import MODEL_NAMES
from envs.market.planted import SyntheticMarket, synthetic_market
from envs.market.synthetic import SyntheticSeries, SyntheticSettings, generate
from runtime.port_market import Bar
from runtime.settings import Settings
from runtime.signals.live import LiveSignals
from runtime.signals.live_inputs import pending_bars
from runtime.signals.voters import KnownVoter

WANTED = SyntheticSettings(n_bars=500, seed=3)
BEGUN = 1_900
INTERVAL = WANTED.interval_ns


@cache
def made() -> tuple[SyntheticMarket, SyntheticSeries]:
    return synthetic_market(WANTED), generate(WANTED)


def close_of(row: int) -> int:
    return int(made()[0].market.close_ns[row])


def bars_of(row: int) -> list[Bar]:
    return pending_bars(made()[1].series, close_of(row) - 1)[close_of(row)]


class Slow(KnownVoter):
    """Its third model takes its time, its fourth would fail."""

    wait_s = 0.0

    def answers(self, data: Dataset, row: int) -> Iterator[ModelAnswer]:
        for m, answer in enumerate(super().answers(data, row)):
            if m == 2:
                time.sleep(self.wait_s)
            yield answer


def started(voter: KnownVoter | None = None, budget_s: float = 5.0) -> LiveSignals:
    market, drawn = made()
    settings = Settings()
    live = LiveSignals(
        [r.between(None, close_of(BEGUN)) for r in drawn.series], drawn.instruments,
        voter or KnownVoter(market.votes, market.market.close_ns), settings,
        ReinforcementManager(settings.reinforcement, settings.core.signal.horizon_bars),
        market.pool_line, market.exit_slopes, budget_s=budget_s,
    )  # fmt: skip
    asyncio.run(live.start())
    return live


def step(live: LiveSignals, row: int) -> None:
    live.manager.learn_labels(live.receive(close_of(row), bars_of(row)))
    asyncio.run(live.vote())
    live.weigh()


def test_models_without_time_abstain_and_a_restart_knows() -> None:
    market = made()[0]
    voter = Slow(market.votes, market.market.close_ns)
    live = started(voter, budget_s=0.4)
    step(live, BEGUN + 1)
    assert live.votes.valid[live.row].all()
    voter.wait_s = 1.0
    begun = time.perf_counter()
    live.receive(close_of(BEGUN + 2), bars_of(BEGUN + 2))
    asyncio.run(live.vote())
    assert time.perf_counter() - begun < 0.9
    live.weigh()
    assert live.votes.valid[live.row].all(axis=0).tolist() == [True, True, False, False]
    assert np.isnan(live.votes.p_up[live.row, :, 2:]).all()
    assert live.state()["abstained"] == [[close_of(BEGUN + 2), name] for name in MODEL_NAMES[2:]]
    voter.wait_s = 0.0
    time.sleep(1.1)
    step(live, BEGUN + 3)
    assert live.votes.valid[live.row].all()
    assert not live.votes.valid[live.row - 1, :, 2:].any(), "a late answer was taken"
    asyncio.run(live.stop())


def test_features_that_fail_leave_the_row_without_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live = started()

    def broken(row: int) -> None:
        raise RuntimeError("broken on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(live._work._following, "row", broken)
        step(live, BEGUN + 1)
    assert not live.data.market.complete[live.row].any()
    assert not live.tape.candidate[live.row].any()
    step(live, BEGUN + 2)
    whole = made()[0].market
    assert live.data.market.complete[live.row].all()
    assert live.data.market.features[live.row].tobytes() == whole.features[BEGUN + 2].tobytes()
    asyncio.run(live.stop())


def test_times_off_the_grid_or_in_the_past_change_nothing() -> None:
    live = started()
    row, after = live.row, BEGUN + 1
    bars = bars_of(after)
    for close_ns, given, said in (
        (close_of(after) + 1, bars, "bars close every"),
        (close_of(BEGUN), bars, "bars close every"),
        (close_of(after), bars_of(after + 1), "a bar closing at"),
        (close_of(after), [replace(bars[0], symbol="XXXUSDT")], "not among the symbols"),
        (close_of(after), [replace(bars[0], close=bars[0].close + 1e-7)], "no whole number"),
        (close_of(after), [replace(bars[0], volume=float("nan"))], "volume nan"),
    ):
        with pytest.raises(FixData, match=said):
            live.receive(close_ns, given)
        assert live.row == row
    step(live, after)
    asyncio.run(live.stop())


def test_a_hole_of_the_feed_is_a_gap_of_all_symbols() -> None:
    live = started()
    before = live.row
    live.receive(close_of(BEGUN + 6), bars_of(BEGUN + 6))
    asyncio.run(live.vote())
    live.weigh()
    assert live.row == before + 6
    market = live.data.market
    assert market.valid[before : live.row + 1].all(axis=1).tolist() == [True] + [False] * 5 + [True]
    assert np.diff(market.close_ns[before : live.row + 1]).tolist() == [INTERVAL] * 6
    assert not market.complete[live.row].any(), "five missing bars are a gap too long"
    asyncio.run(live.stop())


def test_a_second_bar_of_the_same_close_is_not_believed(caplog: pytest.LogCaptureFixture) -> None:
    live = started()
    step(live, BEGUN + 1)
    again = bars_of(BEGUN + 1)[0]
    other = replace(again, high=again.high + 10.0)
    live.receive(close_of(BEGUN + 2), [*bars_of(BEGUN + 2), other])
    assert "the first is kept" in caplog.text
    contract = live.data.market.instruments[0]
    assert contract.price(live.data.bars[0][live.row - 1][1]) == again.high
    asyncio.run(live.stop())


def test_too_little_history_is_refused() -> None:
    market, drawn = made()
    cut = [r.between(close_of(BEGUN - 1_000), close_of(BEGUN)) for r in drawn.series]
    settings = Settings()
    live = LiveSignals(
        cut, drawn.instruments, KnownVoter(market.votes, market.market.close_ns), settings,
        ReinforcementManager(settings.reinforcement, 8), None, (None, None, None),
    )  # fmt: skip
    with pytest.raises(FixData, match=r"BTCUSDT: \d+ bars of history, 1600 are needed"):
        asyncio.run(live.start())


def test_a_state_must_come_before_the_start_and_lie_in_the_history() -> None:
    live = started()
    with pytest.raises(FixData, match="before they are started"):
        live.restore({**live.state(), "close_ns": 7})
    state = live.state()
    asyncio.run(live.stop())
    market, drawn = made()
    settings = Settings()
    again = LiveSignals(
        [r.between(None, close_of(BEGUN - 50)) for r in drawn.series], drawn.instruments,
        KnownVoter(market.votes, market.market.close_ns), settings,
        ReinforcementManager(settings.reinforcement, 8), None, (None, None, None),
    )  # fmt: skip
    again.restore(state)
    with pytest.raises(FixData, match="ends before the journal's last bar"):
        asyncio.run(again.start())
