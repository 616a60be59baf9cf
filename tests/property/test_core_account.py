"""What holds for every episode of random actions on drawn shock markets."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from envs.core.events import EntryKind
from envs.core.rules.booking import net_units
from envs.core.rules.reward import step_reward
from envs.core.rules.rounding import from_units
from envs.core.settings import CoreSettings
from envs.core.trade import Decision, Skipped
from envs.core.types import EntryStyle, EntryUnfilled, ExitReason
from envs.core.view import DecisionView
from envs.core.world import World
from tests.property.strategies import FIRST_ROW, Case, cases, play, signals, small_market


@settings(max_examples=40)
@given(cases())
def test_money_is_conserved_to_the_unit(case: Case) -> None:
    def watch(world: World) -> None:
        account = world.account
        booked = sum(e.units for e in account.ledger)
        assert account.cash_units - account.start_units == booked == account.booked_units
        open_ = sum(net_units(p.book) for p in account.positions.values())
        assert booked == open_ + sum(settled)
        expected = from_units(account.cash_units)
        for s, p in account.positions.items():
            value = account.marks[s] * 0.01 * p.book.qty * 0.001
            expected += p.levels.side * (value - from_units(p.book.cost))
        assert account.equity_quote() == pytest.approx(expected, abs=1e-7)

    settled: list[int] = []
    world_of: list[World] = []

    def close_watch(world: World) -> None:
        world_of.append(world)
        settled[:] = []
        by_id: dict[str, int] = {}
        for e in world.account.ledger:
            by_id[e.decision_id] = by_id.get(e.decision_id, 0) + e.units
        live = {p.decision.decision_id for p in world.account.positions.values()}
        settled.extend(v for k, v in by_id.items() if k not in live)
        watch(world)

    episode = play(case, watch=close_watch)
    account = episode.world.account
    assert account.cash_units - account.start_units == sum(t.net_units for t in episode.trades)
    for t in episode.trades:
        entries = [e for e in account.ledger if e.decision_id == t.decision_id]
        assert sum(e.units for e in entries) == t.net_units
        assert t.net_units == t.gross_units - t.fee_units + t.funding_units + t.insurance_units


@settings(max_examples=40)
@given(cases())
def test_every_position_ends_once_and_its_legs_sum_to_the_entry(case: Case) -> None:
    held: dict[str, int] = {}
    stops: dict[str, int] = {}

    def watch(world: World) -> None:
        for p in world.account.positions.values():
            id_ = p.decision.decision_id
            assert p.book.qty <= held.get(id_, p.order.qty)
            assert p.guard.stop >= stops.get(id_, p.levels.stop0)
            held[id_], stops[id_] = p.book.qty, p.guard.stop
            assert p.book.qty + sum(leg.qty_steps for leg in p.legs) == p.order.qty

    episode = play(case, watch=watch)
    assert not episode.world.account.positions
    assert not episode.world.account.pending
    ids = [r.decision.decision_id for r in episode.resolved]
    assert sorted(ids) == sorted(d.decision_id for _, d in episode.sent)
    for t in episode.trades:
        assert sum(leg.qty_steps for leg in t.legs) == t.qty_steps
        assert t.entry_ns <= t.exit_ns
        assert t.mae_frac >= 0.0
        assert t.mfe_frac >= 0.0


def test_an_entry_still_resting_at_the_end_is_resolved() -> None:
    base = CoreSettings()
    entry = replace(base.entry, style=EntryStyle.POST_ONLY, unfilled=EntryUnfilled.MARKET)
    ended = 0
    for seed in range(12):
        market = small_market(seed, 20, 3, 0.0, False)
        for column in ("open_ticks", "high_ticks", "low_ticks", "close_ticks"):
            getattr(market, column)[-1] += 20_000
        case = Case(market, signals(market, seed), replace(base, entry=entry), seed)
        episode = play(case)
        assert len(episode.resolved) == len(episode.sent)
        ended += sum(r.outcome == Skipped("END") for r in episode.resolved)
    assert ended > 0


@settings(max_examples=40)
@given(cases())
def test_entries_stay_within_the_caps(case: Case) -> None:
    def on_sent(world: World, view: DecisionView, decision: Decision) -> None:
        risk, account, s = world.settings.risk, world.account, view.symbol_index
        entry, equity, slack = account.pending[s], view.funds.equity, 1.0 + 1e-12
        notional = entry.notional_quote
        assert from_units(entry.margin_units) <= risk.max_position_margin * equity + 1e-8
        assert from_units(entry.margin_units) <= 0.95 * view.funds.free_margin + 1e-8
        loss = notional * (entry.order.sl_atr * view.context.atr_frac + view.context.round_trip)
        assert loss <= risk.max_risk_per_trade * equity * slack
        assert account.gross_notional_quote() <= risk.max_gross * equity * slack
        assert account.risk_quote() <= risk.max_total_risk * equity * slack + 1e-8
        assert len(account.positions) + len(account.pending) <= world.gate.position_limit
        assert world.gate.active
        assert decision.qty_steps * 0.001 * view.close_ticks * 0.01 >= risk.min_order_quote * 0.999

    play(case, on_sent=on_sent)


@settings(max_examples=60)
@given(cases())
def test_a_liquidation_loses_at_most_the_margin_and_a_fee_from_free_cash(case: Case) -> None:
    episode = play(case)
    for t in episode.trades:
        if t.reason is not ExitReason.LIQUIDATION:
            continue
        last = t.legs[-1]
        cap = case.settings.costs.liquidation_fee
        value = last.price_ticks * 0.01 * last.qty_steps * 0.001
        assert 0 <= last.fee_units <= round(value * cap * 1e8) + 1
        share = t.margin_units * last.qty_steps / t.qty_steps + max(0, t.funding_units)
        assert -(last.gross_units + t.insurance_units) <= share + 1


@settings(max_examples=30)
@given(cases())
def test_costs_are_against_the_trader_and_funding_has_its_sign(case: Case) -> None:
    episode = play(case)
    for e in episode.world.account.ledger:
        if e.kind in (EntryKind.FEE, EntryKind.LIQUIDATION_FEE):
            assert e.units <= 0
    rate = {
        int(ns) - case.market.interval_ns: case.market.funding_rate[t]
        for t, ns in enumerate(case.market.close_ns)
    }
    sides = {d.decision_id: d.side for _, d in episode.sent}
    for e in episode.world.account.ledger:
        if e.kind is EntryKind.FUNDING:
            paid = rate[e.time_ns][case.market.symbols.index(e.symbol)]
            assert e.units * sides[e.decision_id] * paid < 0
    for t in episode.trades:
        assert t.slippage_units >= 0


@settings(max_examples=30)
@given(cases())
def test_step_rewards_sum_to_the_growth_of_equity(case: Case) -> None:
    equities = play(case).equities
    if min(equities) <= 1e-3 * equities[0]:
        return
    total = sum(step_reward(a, b) for a, b in pairwise(equities))
    growth = math.log(equities[-1] / equities[0])
    assert total == pytest.approx(growth, abs=1e-12 * len(equities))


@settings(max_examples=30)
@given(cases())
def test_the_future_does_not_change_the_past(case: Case) -> None:
    cut = FIRST_ROW + (case.market.n_bars - FIRST_ROW) // 2
    altered = small_market(
        case.seed + 9, case.market.n_bars, case.market.n_symbols, 0.3, bool(case.market.has_mark[0])
    )
    columns = (
        "open_ticks", "high_ticks", "low_ticks", "close_ticks", "mark", "funding_rate", "atr",
        "atr_frac", "regime", "sizing_regime",
    )  # fmt: skip
    other = replace(
        case.market,
        **{
            c: np.concatenate([getattr(case.market, c)[: cut + 1], getattr(altered, c)[cut + 1 :]])
            for c in columns
        },
    )
    tape = signals(case.market, case.seed + 5)
    mixed = replace(
        case.tape,
        side=np.concatenate([case.tape.side[: cut + 1], tape.side[cut + 1 :]]),
        candidate=np.concatenate([case.tape.candidate[: cut + 1], tape.candidate[cut + 1 :]]),
    )

    def until_cut(which: Case) -> tuple[list[object], list[object]]:
        seen: list[object] = []
        states: list[object] = []

        def on_sent(world: World, view: DecisionView, decision: Decision) -> None:
            if world.row <= cut:
                seen.append((decision.decision_id, decision.chosen, decision.qty_steps))

        def watch(world: World) -> None:
            if world.row <= cut:
                states.append((world.account.cash_units, world.account.equity_quote()))

        play(which, on_sent=on_sent, watch=watch)
        return seen, states

    assert until_cut(case) == until_cut(replace(case, market=other, tape=mixed))
