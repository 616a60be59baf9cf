"""Shared courses == one lone walk an action, for all actions of drawn decisions, no tolerance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.core.actions import preset
from envs.core.decide import Desk
from envs.core.errors import FixInput
from envs.core.instrument import Bracket, Instrument
from envs.core.rules.alone import walk_alone
from envs.core.rules.course import MAX_STAMPS, walk_course
from envs.core.rules.exits import stop_atr, template
from envs.core.rules.reward import decision_reward
from envs.core.rules.rounding import from_units
from envs.core.rules.walk import Order
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.types import NS_PER_HOUR, EntryStyle, EntryUnfilled, IntrabarRule
from envs.core.world import World
from envs.kernel.counterfactual import Counterfactual
from envs.kernel.outcomes import BatchOutcomes
from tests.parity.test_alone_equals_account import drawn_tape, shock_market

MARKETS = {
    (shock, mark): shock_market(3, shock, mark)
    for shock, mark in ((0.0, False), (0.003, True), (0.05, True), (0.2, True))
}


@st.composite
def cases(draw: st.DrawFn):  # type: ignore[no-untyped-def]
    market = MARKETS[draw(st.sampled_from(sorted(MARKETS)))]
    tick, step, least = draw(
        st.sampled_from([("0.01", "0.001", 5.0), ("1", "1", 5.0), ("0.01", "0.3", 400.0)])
    )
    tiers = draw(
        st.sampled_from(
            [
                (Bracket(float("inf"), 0.004, 0.0),),
                (Bracket(2_000.0, 0.004, 0.0), Bracket(float("inf"), 0.05, 92.0)),
            ]
        )
    )
    one = Instrument.of("X", tick, step, least)
    if draw(st.booleans()):
        # Ticks so fine that rounded funding moves a break-even level by many of them.
        tick = "0.00000001"
        ticks = ("open_ticks", "high_ticks", "low_ticks", "close_ticks")
        market = replace(
            market, detail=None, **{name: getattr(market, name) * 10**6 for name in ticks}
        )
    market = replace(
        market,
        instruments=tuple(replace(one, symbol=n, brackets=tiers) for n in market.symbols),
        funding_rate=market.funding_rate * draw(st.sampled_from([1.0, 30.0])),
    )
    base = CoreSettings()
    entry = replace(
        base.entry,
        style=draw(st.sampled_from(list(EntryStyle))),
        unfilled=draw(st.sampled_from(list(EntryUnfilled))),
        intrabar=draw(st.sampled_from(list(IntrabarRule))),
    )
    risk = replace(
        base.risk,
        partial_fraction=draw(st.sampled_from([0.5, 0.25, 0.9])),
        breakeven_at_r=draw(st.sampled_from([1.0, 1.1, 0.3])),
        min_order_quote=draw(st.sampled_from([1.0, 10.0])),
    )
    plan = replace(base.plan, liq_buffer=draw(st.sampled_from([2.0, 0.2])))
    return market, replace(base, entry=entry, risk=risk, plan=plan), draw(st.integers(0, 10**6))


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from(["full", "classic", "overview"]), st.integers(0, 2))
def test_all_outcomes_of_a_decision(case, name: str, kind: int) -> None:  # type: ignore[no-untyped-def]
    market, rules, seed = case
    rng = np.random.default_rng(seed)
    data = prepare(market, rules)
    last = int(rng.integers(300, market.n_bars))
    world = World(data, rules, 20, last)
    desk = Desk(world, drawn_tape(market, seed), preset(name), rules)
    shared = Counterfactual(desk, kind)
    at_once = BatchOutcomes(data, rules, preset(name), kind)
    asked, alone = at_once.flat(np.zeros(3), np.zeros(3), np.ones(3)), []
    asked["last_row"] = last
    for k in range(3):
        world.row = int(rng.integers(25, last))
        world._set_marks()
        s = int(rng.integers(0, market.n_symbols))
        view = desk.view(s)
        reward, net, end = shared.outcomes(view)
        asked[["row", "symbol", "side"]][k] = view.row, s, view.side
        alone.append((view, reward, net, end))
        for i in np.flatnonzero(view.context.mask & (view.qty_steps > 0)).tolist():
            got = walk_alone(
                data.series[s], view.row, last, desk.order_of(view, i, int(view.qty_steps[i])),
                view.spare_units, NS_PER_HOUR, int(rules.entry.intrabar), data.fees,
                data.contracts[s], data.brackets[s],
            )  # fmt: skip
            assert (got.net if got.opened else 0, got.end_row) == (net[i], end[i]), i
            if got.opened:
                assert reward[i] == _reward(kind, got, view, desk, i)
    batch = at_once.outcomes(asked)
    for k, (view, reward, net, end) in enumerate(alone):
        assert np.array_equal(batch.mask[k], view.context.mask)
        assert np.array_equal(batch.qty_steps[k], view.qty_steps)
        assert np.array_equal(batch.reward[k], reward, equal_nan=True)
        assert np.array_equal(batch.net_units[k], net)
        assert np.array_equal(batch.end_row[k], end)


@pytest.mark.parametrize(
    ("field", "value"), [("row", -1), ("symbol", 9), ("side", 0), ("last_row", 10**6)]
)
def test_decisions_outside_the_market_are_refused(field: str, value: int) -> None:
    data = prepare(MARKETS[(0.0, False)], CoreSettings())
    batch = BatchOutcomes(data, CoreSettings(), preset("full"))
    asked = batch.flat(np.array([30, 31]), np.zeros(2), np.ones(2))
    asked[field][1] = value
    with pytest.raises(FixInput, match="decision 1: row"):
        batch.outcomes(asked)
    with pytest.raises(FixInput, match=r"outcomes\.ASKED"):
        batch.outcomes(asked["row"])


def _reward(kind, got, view, desk, i):  # type: ignore[no-untyped-def]
    return decision_reward(
        kind, from_units(got.net), from_units(view.equity_units), from_units(got.risk),
        from_units(got.notional), stop_atr(int(desk.arrays.exits[i])) * view.context.atr_frac,
        (got.exit_ns - got.entry_ns) / 3_600_000_000_000, got.mae_frac,
    )  # fmt: skip


def test_a_course_whose_break_even_depends_on_the_size_says_so() -> None:
    """Rounded funding moves the break-even level of a tiny position by ticks."""
    market = MARKETS[(0.003, True)]
    ticks = ("open_ticks", "high_ticks", "low_ticks", "close_ticks")
    market = replace(
        market, detail=None, instruments=(Instrument.of("X", "0.00000001", "0.001"),) * 3,
        **{name: getattr(market, name) * 10**6 for name in ticks},
    )  # fmt: skip
    rules = CoreSettings()
    data = prepare(market, rules)
    stamps = np.empty((MAX_STAMPS, 2))
    exact = {}
    for smallest in (0.001, 1e12):
        found = []
        for row in range(30, 650, 5):
            atr = float(market.atr[row, 0])
            order = Order(1, 1, 1, atr, 1.5, template(1, 0), 0, False, 0)
            course = walk_course(
                data.rows, market.close_ns, 0, row, market.n_bars - 1, order, smallest,
                NS_PER_HOUR, 0, data.fees, data.contracts[0], stamps,
            )  # fmt: skip
            found.append(course.exact)
        exact[smallest] = found
    assert all(exact[1e12])
    assert not all(exact[0.001])
