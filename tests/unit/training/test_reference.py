"""The reference account's trades are those the core makes of the same action."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.reinforcement.settings import ReinforcementSettings
from envs.core.actions import preset
from envs.core.decide import Desk
from envs.core.market_data import MarketData
from envs.core.rules.rounding import from_units
from envs.core.series import prepare
from envs.core.settings import CoreSettings, EntrySettings
from envs.core.types import EntryStyle, ExitStrategy
from envs.core.world import World
from envs.kernel.counterfactual import Counterfactual
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings
from training.reference import NOT_TRADED, REFERENCE_QUOTE
from training.tape import fifth_edges, make_tape
from training.weights import reference_of

GRID = preset("full")
REFERENCE = next(
    i
    for i, a in enumerate(GRID.actions)
    if a.size == 1.0 and a.leverage == 1 and a.exit is ExitStrategy.BALANCED
)


def jumping(market: MarketData) -> MarketData:
    """Every other bar 2 % higher, so that some resting entries are not reached."""
    up = np.where(np.arange(market.n_bars)[:, None] % 2 == 0, 102, 100)
    names = ("open_ticks", "high_ticks", "low_ticks", "close_ticks")
    return replace(market, **{n: getattr(market, n) * up // 100 for n in names})


@pytest.mark.parametrize("style", list(EntryStyle))
def test_outcomes_equal_those_of_the_counterfactual_of_a_fresh_account(style: EntryStyle) -> None:
    made = synthetic_market(SyntheticSettings(n_bars=1_000, seed=3))
    settings = CoreSettings(entry=EntrySettings(style=style))
    assert settings.start_equity_quote == REFERENCE_QUOTE
    market = jumping(made.market) if style is EntryStyle.POST_ONLY else made.market
    data = prepare(market, settings)
    edges = fifth_edges(1_600, made.market.n_bars - 1)
    tape = make_tape(data, made.votes, settings, ReinforcementSettings(), edges, made.pool_line)
    trades = reference_of(data, made.votes, settings)
    compared = lapsed = 0
    for row in range(1_700, market.n_bars - 1, 7):
        world = World(data, settings, row)
        desk = Desk(world, tape.signals, GRID, settings)
        other = Counterfactual(desk, 0)
        for s in range(made.market.n_symbols):
            for k, side in enumerate((1, -1)):
                view = desk.view(s, side)
                _, net, end = other.outcomes(view)
                at = row, s, k
                if not view.context.mask[REFERENCE]:
                    assert trades.end_row[at] == NOT_TRADED
                    continue
                compared += 1
                if end[REFERENCE] < 0:
                    lapsed += 1
                    assert not trades.opened[at]
                    assert trades.end_row[at] == row + 1
                    continue
                assert trades.opened[at]
                assert trades.end_row[at] == end[REFERENCE]
                assert trades.net[at] == from_units(int(net[REFERENCE]))
                assert trades.entry_ns[at] <= trades.exit_ns[at]
                assert trades.exit_ns[at] <= made.market.close_ns[trades.end_row[at]]
    assert compared > 200
    assert (lapsed > 0) is (style is EntryStyle.POST_ONLY)


def test_a_trade_the_data_cut_off_is_marked() -> None:
    made = synthetic_market(SyntheticSettings(n_bars=700, seed=3))
    settings = CoreSettings()
    trades = reference_of(prepare(made.market, settings), made.votes, settings)
    cut = trades.opened & ~trades.finished
    assert cut.any()
    assert np.all(trades.end_row[cut] == made.market.n_bars - 1)
