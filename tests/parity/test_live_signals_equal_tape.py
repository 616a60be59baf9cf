"""Live signals, fed bar by bar, are the tape that training makes of the same bars, bit for bit."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from agents.reinforcement.manager import ReinforcementManager
from envs.core.series import prepare
from envs.market.build import build_market
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings, generate
from runtime.port_market import Bar
from runtime.settings import Settings
from runtime.signals.live import LiveSignals
from runtime.signals.live_inputs import pending_bars
from runtime.signals.voters import KnownVoter
from tests.parity.signals_scene import CORE, NO_EDGES, Scene, same_manager, same_rows
from training.tape import make_tape

NAMES = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
BARS, TRAINED = 2_200, 2_300
FIRST, BEGUN, LAST = 200, 2_900, 3_600
"""Rows of the market: the feed's oldest, the last of the history at the start, the last fed."""
HORIZON = CORE.signal.horizon_bars


class Fed:
    """The built-in market as a feed, and what training makes of the bars the feed has given."""

    def __init__(self, algorithm: str) -> None:
        wanted = SyntheticSettings(symbols=NAMES, n_bars=BARS, seed=11)
        made = synthetic_market(wanted, CORE.costs, CORE.signal)
        close_ns = made.market.close_ns
        self.settings, self.line, self.slopes = Settings(), made.pool_line, made.exit_slopes
        self.learning = replace(self.settings.reinforcement, algorithm=algorithm)
        trained = make_tape(
            prepare(made.market, CORE), made.votes, CORE, self.learning, np.array([TRAINED]),
            made.pool_line, algorithm, None, made.exit_slopes,
        )  # fmt: skip
        self.bundle = trained.manager
        self.voter = KnownVoter(made.votes, close_ns)
        first = int(close_ns[FIRST])
        drawn = generate(wanted)
        self.instruments = drawn.instruments
        self.series = [r.between(first - r.interval_ns, None) for r in drawn.series]
        market, _ = build_market(self.series, drawn.instruments)
        self.close_ns = market.close_ns.tolist()
        data = prepare(market, CORE)
        votes = self.voter.table(market, CORE)
        self.scene = Scene(data, votes, self.line, self.slopes, self.bundle, self.learning)
        self.tape = make_tape(
            data, votes, CORE, self.learning, NO_EDGES, self.line, algorithm, self.bundle,
            self.slopes,
        ).signals  # fmt: skip
        self.bars = pending_bars(self.series, 0)

    def live(
        self, row: int, manager: ReinforcementManager, *, learning: bool = True, first: int = 0
    ) -> LiveSignals:
        """A live process whose history lasts to ``row`` (of the feed)."""
        cut = [r.between(self.close_ns[first], self.close_ns[row]) for r in self.series]
        return LiveSignals(
            cut, self.instruments, self.voter, self.settings, manager, self.line, self.slopes,
            learning=learning, budget_s=30.0,
        )  # fmt: skip

    def feed(self, live: LiveSignals, first: int, stop: int, check: bool = True) -> None:
        """Bars of the rows [first, stop), each row compared to the tape when it is made."""

        async def run() -> None:
            for row in range(first, stop):
                close_ns = self.close_ns[row]
                labels = live.receive(close_ns, self.bars[close_ns])
                live.manager.learn_labels(labels)
                await live.vote()
                live.weigh()
                assert live.data.market.close_ns[live.row] == close_ns
                if check:
                    self.compare(live, row - 1)

        asyncio.run(run())

    def compare(self, live: LiveSignals, row: int) -> None:
        """The row of the live tape, whose next bar is known now, equals training's."""
        place = live.row - 1
        same_rows(live.tape, self.tape, place, row)
        for name in (
            "features",
            "atr",
            "valid",
            "mark",
            "funding_rate",
            "funding_stamp",
            "complete",
        ):
            got, want = getattr(live.data.market, name), getattr(self.scene.data.market, name)
            assert got[place].tobytes() == want[row].tobytes(), (name, row)
        assert live.data.rows[place].tobytes() == self.scene.data.rows[row].tobytes()
        for s in range(len(NAMES)):
            mine, theirs = live.data.series[s], self.scene.data.series[s]
            for a, b in zip(mine, theirs, strict=True):
                assert a[place].tobytes() == b[row].tobytes()
            for column in ("bars", "marks", "slip_next"):
                mine, theirs = (getattr(d, column)[s] for d in (live.data, self.scene.data))
                assert mine[place] == theirs[row]


@cache
def fed(algorithm: str = "aa") -> Fed:
    return Fed(algorithm)


def started(at: Fed, row: int, **options: object) -> LiveSignals:
    live = at.live(row, at.bundle.copy(), **options)  # type: ignore[arg-type]
    asyncio.run(live.start())
    return live


def test_rows_fed_bar_by_bar_are_the_tapes() -> None:
    at = fed()
    begun, last = BEGUN - FIRST, LAST - FIRST
    live = started(at, begun)
    place = live.row
    at.feed(live, begun + 1, last)
    assert at.tape.candidate[begun:last].sum() > 100
    assert live.row < place + last - 1 - begun, "the window has never moved"
    asyncio.run(live.stop())


@pytest.mark.parametrize("algorithm", ["aa", "uniform", "platt_exponential"])
def test_a_restart_goes_on_as_if_nothing_had_been(algorithm: str, tmp_path: Path) -> None:
    at = fed(algorithm)
    begun, cut, last = BEGUN - FIRST, BEGUN - FIRST + 150, BEGUN - FIRST + 230
    whole = started(at, begun)
    at.feed(whole, begun + 1, cut + 1, check=False)
    state = json.loads(json.dumps(whole.state()))
    whole.manager.checkpoint(tmp_path / "manager.json")
    again = at.live(
        cut + 3, ReinforcementManager.load(tmp_path / "manager.json"), first=cut - 2_690
    )
    again.restore(state)
    asyncio.run(again.start())
    again.restore(state)
    assert again.pending() == tuple(at.close_ns[cut + 1 : cut + 4])
    for back in range(1_000):
        same_rows(again.tape, whole.tape, again.row - back, whole.row - back)
    at.feed(whole, cut + 1, last, check=False)

    async def follow() -> None:
        for row in range(cut + 1, last):
            given = () if row <= cut + 3 else at.bars[at.close_ns[row]]
            again.manager.learn_labels(again.receive(at.close_ns[row], given))
            await again.vote()
            again.weigh()

    asyncio.run(follow())
    for back in range(last - cut - 1):
        same_rows(again.tape, whole.tape, again.row - back, whole.row - back)
    same_manager(again.manager, whole.manager)
    assert again.state() == whole.state()
    assert whole.tape.candidate[whole.row - 200 : whole.row].any()
    for live in (whole, again):
        asyncio.run(live.stop())


def test_weights_stay_the_bundles_without_learning() -> None:
    at = fed()
    begun = BEGUN - FIRST
    live = started(at, begun, learning=False)
    at.feed(live, begun + 1, begun + 30, check=False)
    same_manager(live.manager, at.bundle)
    want = at.bundle.raw_weights().tolist()
    assert live.tape.weights[live.row - 25 : live.row + 1].reshape(-1, 4).tolist() == [want] * 78
    asyncio.run(live.stop())


def test_a_missing_bar_is_a_gap_and_a_late_one_mends_it() -> None:
    at = fed()
    begun = BEGUN - FIRST
    live, whole = started(at, begun), started(at, begun)
    at.feed(whole, begun + 1, begun + 40, check=False)
    late: list[Bar] = []

    async def follow() -> None:
        for row in range(begun + 1, begun + 40):
            close_ns = at.close_ns[row]
            given = list(at.bars[close_ns])
            if row == begun + 10:
                late.append(given.pop(1))
            elif row == begun + 12:
                given += late
            live.manager.learn_labels(live.receive(close_ns, given))
            await live.vote()
            live.weigh()
            if begun + 10 <= row < begun + 12:
                assert live.data.market.valid[live.row].tolist() == [True, row > begun + 10, True]

    asyncio.run(follow())
    place = live.row - 29
    assert live.data.market.valid[place].all()
    assert not live.votes.valid[place, 1].any()
    assert live.votes.valid[place, 0].all()
    assert not live.data.market.complete[place, 1]
    features, others = live.data.market.features, whole.data.market.features
    rows = live.row - np.arange(27)
    assert features[rows].tobytes() == others[rows].tobytes()
    assert features[place, 0].tobytes() != others[place, 0].tobytes()  # the mean of all is another
    assert [list(x) for x in live.state()["gaps"]] == [[at.close_ns[begun + 10], "ETHUSDT", True]]
    for each in (live, whole):
        asyncio.run(each.stop())
