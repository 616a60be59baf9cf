from __future__ import annotations

from dataclasses import replace
from math import isnan
from typing import Any

import numpy as np
import pytest

from agents.checks import sample_rows
from agents.outcomes import TradeOutcome, claim_of, outcome_of, paper_outcome
from agents.paper import PaperBook
from envs.core.actions import preset
from envs.core.errors import FixInput
from envs.core.rules.exits import stop_atr
from envs.core.trade import Alternatives, ClosedTrade, ResolvedDecision, Skipped

GRID = preset("classic")
ROWS = [r for r in sample_rows(GRID, 40, 1) if isinstance(r.outcome, ClosedTrade)]


def alternatives(net_units: int) -> Alternatives:
    n = GRID.n
    return Alternatives(
        np.zeros(n), np.full(n, net_units), np.full(n, 7), np.zeros(3, dtype=np.int64)
    )


def test_a_resolved_trade_keeps_what_its_decision_knew() -> None:
    row = ROWS[0]
    trade: Any = row.outcome
    voted = replace(
        row.decision, votes_up=(0.6, np.nan, 0.4, 0.5), votes_down=(0.1,) * 4,
        weights=(0.5, 0.2, 0.1, 0.2), side=1,
    )  # fmt: skip
    found = outcome_of(replace(row, decision=voted))
    assert found is not None
    assert (found.id, found.symbol, found.net_r) == ((trade.decision_id, 0), "X", trade.r_net)
    assert (found.entry_ns, found.exit_ns, found.decided_ns) == (
        trade.entry_ns, trade.exit_ns, row.decision.bar_close_ns,
    )  # fmt: skip
    assert found.regime == row.decision.context.state // 60
    assert found.claim == pytest.approx((0.3 + 0.04 + 0.1) / 0.8)
    assert claim_of(replace(voted, side=-1)) == pytest.approx(0.1)
    assert isnan(claim_of(row.decision))
    assert isnan(claim_of(replace(voted, weights=(0.0,) * 4)))


def test_a_closed_trade_alone_is_enough() -> None:
    trade = ROWS[0].outcome
    assert isinstance(trade, ClosedTrade)
    found = outcome_of(trade)
    assert found is not None
    assert (found.net_r, found.regime) == (trade.r_net, -1)
    assert isnan(found.claim)
    assert outcome_of(found) is found


def test_rows_without_a_trade_hold_nothing() -> None:
    row = ROWS[0]
    assert outcome_of(replace(row, outcome=Skipped("SKIP"))) is None
    assert outcome_of(ResolvedDecision(row.decision, None, 0.0)) is None


@pytest.mark.parametrize("chosen", [None, -1, GRID.n])
def test_a_trade_of_an_unknown_action_is_refused(chosen: int | None) -> None:
    row = ROWS[0]
    with pytest.raises(FixInput, match="did not allow"):
        outcome_of(replace(row, decision=replace(row.decision, chosen=chosen)))


def test_a_trade_of_a_masked_action_or_of_another_decision_is_refused() -> None:
    row = next(r for r in ROWS if not r.decision.context.mask.all())
    masked = int(np.flatnonzero(~row.decision.context.mask)[0])
    with pytest.raises(FixInput, match=f"action {masked}"):
        outcome_of(replace(row, decision=replace(row.decision, chosen=masked)))
    with pytest.raises(FixInput, match="its trade belongs to"):
        outcome_of(replace(row, decision=replace(row.decision, decision_id="other")))


def test_paper_is_measured_in_r_of_the_planned_stop() -> None:
    decision = ROWS[0].decision
    assert decision.chosen is not None
    found = paper_outcome(decision, alternatives(-5_000_000), GRID, 99)
    assert found is not None
    c = decision.context
    stop = stop_atr(int(GRID.actions[decision.chosen].exit)) * c.atr_frac
    risk = decision.equity_units * c.notional_frac[decision.chosen] * stop
    assert found.net_r == pytest.approx(-5_000_000 / risk)
    assert (found.paper, found.exit_ns, found.id[1]) == (True, 99, 1)


def test_nothing_is_followed_without_an_action() -> None:
    decision = ROWS[0].decision
    earned = alternatives(1)
    earned.end_bar[:] = -1
    assert paper_outcome(decision, earned, GRID, 9) is None
    assert paper_outcome(replace(decision, chosen=None), alternatives(1), GRID, 9) is None


def test_the_paper_book_holds_one_trade_a_symbol_until_its_time() -> None:
    book, decision = PaperBook(GRID), ROWS[0].decision
    other = replace(decision, decision_id="y", symbol="Y")
    assert book.follow(decision, alternatives(1), 50)
    assert not book.follow(replace(decision, decision_id="x2"), alternatives(1), 40)
    assert book.follow(other, alternatives(1), 30)
    assert book.due(29) == ()
    assert [o.symbol for o in book.due(60)] == ["Y", "X"]
    assert book.due(10**18) == ()
    assert book.follow(decision, alternatives(1), 70)


def test_equal_outcomes_are_equal() -> None:
    made = TradeOutcome("t", "X", 0, 1, 0.0)
    assert not made.won
    assert replace(made, net_r=0.1).won
