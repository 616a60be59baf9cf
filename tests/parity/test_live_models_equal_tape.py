"""Real models asked bar by bar, in one batch of all symbols, give the tape of the whole market."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.reinforcement.manager import ReinforcementManager
from ensemble.calibrators import Calibrator
from ensemble.crossfit import prepare_data
from ensemble.fitted import Fitted
from ensemble.models import new_forecaster
from ensemble.settings import EnsembleSettings
from envs.core.instrument import Instrument
from envs.core.series import prepare
from envs.core.tape import EvLine
from envs.core.types import MODEL_NAMES
from envs.market.bars import RawSeries
from envs.market.build import build_market
from envs.market.contracts import instrument_for
from envs.market.sources import read_folder
from envs.market.synthetic import SyntheticSettings, generate
from runtime.settings import Settings
from runtime.signals.live import LiveSignals
from runtime.signals.live_inputs import pending_bars
from runtime.signals.voters import ModelVoter
from tests.parity.signals_scene import CORE, NO_EDGES, same_rows
from training.tape import make_tape

SMALL = EnsembleSettings(boosting_rounds=5, network_steps=20)
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
BARS, BEGUN = 2_060, 1_990
LINE = EvLine(1.2, 0.0, 0.4, 1_000)


@dataclass(frozen=True)
class Source:
    series: Sequence[RawSeries]
    instruments: Sequence[Instrument]


def built_in() -> Source:
    drawn = generate(SyntheticSettings(symbols=SYMBOLS, n_bars=BARS - 1_536, seed=2))
    return Source(drawn.series, drawn.instruments)


def real(folder: Path) -> Source:
    whole = [read_folder(folder / "perp", s, "1h", funding_default=True) for s in SYMBOLS]
    last = min(int(r.open_ns[-1]) for r in whole) + whole[0].interval_ns
    cut = [r.between(last - BARS * r.interval_ns, last) for r in whole]
    return Source(cut, [instrument_for(r) for r in whole])


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """Models that know little; their votes are what matters here."""
    source = built_in()
    market, _ = build_market(source.series, source.instruments)
    data, labels = prepare_data(market, CORE)
    train = market.complete & (labels.end >= 0)
    out = Fitted(lines=(LINE,) * 4)
    for name in MODEL_NAMES:
        model = new_forecaster(name, SMALL)
        model.fit(data, train, 3)
        out.models[name] = model
        out.calibrators[name] = Calibrator("platt", (0.8, 0.1)), Calibrator("platt", (0.9, -0.05))
    return out


@pytest.mark.parametrize("kind", ["built-in", "real"])
def test_live_votes_and_rows_are_the_tables(
    kind: str, fitted: Fitted, request: pytest.FixtureRequest
) -> None:
    source = built_in() if kind == "built-in" else real(request.getfixturevalue("real_data_dir"))
    market, _ = build_market(source.series, source.instruments)
    voter, settings = ModelVoter(fitted), Settings()
    votes = voter.table(market, CORE)
    manager = ReinforcementManager(settings.reinforcement, CORE.signal.horizon_bars)
    want = make_tape(
        prepare(market, CORE), votes, CORE, settings.reinforcement, NO_EDGES, LINE, "aa", manager
    ).signals
    begun = int(market.close_ns[BEGUN])
    live = LiveSignals(
        [r.between(None, begun) for r in source.series], source.instruments, voter, settings,
        manager, LINE, (None, None, None), budget_s=30.0,
    )  # fmt: skip
    bars = pending_bars(source.series, begun)
    asyncio.run(_follow(live, prepare(market, CORE), bars, votes, want))
    assert votes.valid[BEGUN:].any(axis=(0, 1)).all()
    assert np.unique(want.score[BEGUN:]).size > 50


async def _follow(live: LiveSignals, data: Any, bars: Any, votes: Any, want: Any) -> None:
    market = data.market
    await live.start()
    for row in range(BEGUN + 1, market.n_bars - CORE.signal.horizon_bars):
        close_ns = int(market.close_ns[row])
        live.manager.learn_labels(live.receive(close_ns, bars[close_ns]))
        await live.vote()
        live.weigh()
        for name in ("p_up", "p_down", "valid", "ev"):
            got, table = getattr(live.votes, name)[live.row], getattr(votes, name)[row]
            assert got.tobytes() == table.tobytes(), (name, row)
        same_rows(live.tape, want, live.row - 1, row - 1)
        assert live.data.rows[live.row - 1].tobytes() == data.rows[row - 1].tobytes()
    await live.stop()
