"""Kelly as an adviser: what it leaves, when it is silent, and the way back from nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.outcomes import TradeOutcome
from agents.settings import KellySettings
from agents.sizing.kelly_cap import KELLY_CAP, KellyCap, KellyScale, is_kelly_on, kelly_seat
from agents.sizing.kelly_tally import NEGATIVE_EDGE, PAPER_TRADES, TRIAL_TRADES
from envs.core.actions import preset
from envs.core.decide import decide
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.hooks import HookChain, HookPoint, Keep, Mode, Scale
from envs.core.rules.exits import Template, stop_atr
from envs.core.settings import CoreSettings, PlanSettings
from envs.core.trade import PlannedOrder, SizingChoice, SizingContext, no_propensities
from envs.core.view import DecisionView
from envs.trading import TradingEnv

FULL = preset("full")
BALANCED = FULL.index_of(1.5, 3, FULL.actions[2].exit)
PLAN = PlanSettings()


def cap(enabled: bool = True, **settings: float | bool) -> KellyCap:
    return KellyCap(FULL, replace(KellySettings(), **settings), PLAN, enabled)


def trade(k: int, r: float, paper: bool = False) -> TradeOutcome:
    return TradeOutcome(f"t{k}", "X", k, k + 1, r, r, paper)


def after(n: int, wins: int, gain: float = 2.0, **settings: float | bool) -> KellyCap:
    made = cap(**settings)
    for k in range(n):
        made.learn_one(trade(k, gain if k < wins else -1.0))
    return made


class Takes:
    def __init__(self, index: int) -> None:
        self.index = index

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        return SizingChoice(self.index, no_propensities(FULL.n, self.index))


def loss_of(view: DecisionView, index: int, qty: int) -> float:
    """Loss at the stop with costs over equity of an order of ``qty`` steps."""
    c = view.context
    notional = float(c.notional_frac[index]) * qty / int(view.qty_steps[index])
    stop = stop_atr(int(FULL.actions[index].exit))
    return notional * (stop * c.atr_frac + c.round_trip)


@pytest.fixture
def view(views: list[DecisionView]) -> DecisionView:
    return next(v for v in views if v.executable)


def test_row_40_records_lead_to_allowances() -> None:
    good, bad, few = after(20, 12), after(20, 6), after(19, 6)
    assert good.allowance().kelly == pytest.approx(0.10)
    assert good.allowance().risk_frac == 0.02
    assert (bad.allowance().risk_frac, bad.allowance().reason) == (0.0, NEGATIVE_EDGE)
    assert few.allowance().kelly is None
    assert few.allowance().risk_frac == 0.02


def test_above_the_plan_and_before_enough_trades_it_is_silent(view: DecisionView) -> None:
    choice = Takes(BALANCED).decide(view.context, None)
    for silent in (after(20, 12), after(19, 6), cap(), after(40, 1, enabled=False)):
        assert silent.answer_choice(view, choice) == Keep()


def test_the_loss_at_the_stop_stays_within_kelly(view: DecisionView) -> None:
    # Half Kelly of this record is .021, so the largest Kelly is what is used.
    made = after(40, 15, largest=0.005)
    assert made.allowance().risk_frac == 0.005
    whole = decide(view, Takes(BALANCED), HookChain())
    cut = decide(view, Takes(BALANCED), HookChain([kelly_seat(made)]))
    assert cut.chosen == whole.chosen == BALANCED
    assert loss_of(view, BALANCED, whole.qty_steps) > 0.005
    assert 0.00499 < loss_of(view, BALANCED, cut.qty_steps) <= 0.005
    ((_, point, said),) = cut.effects
    assert point == "POSITION_SIZING"
    assert KELLY_CAP in said


def test_a_smaller_choice_is_left_alone(view: DecisionView) -> None:
    small = FULL.index_of(0.3, 1, FULL.actions[2].exit)
    made = after(40, 15, largest=0.005)
    assert loss_of(view, small, int(view.qty_steps[small])) < 0.005
    chain = HookChain([kelly_seat(made)])
    assert decide(view, Takes(small), chain).qty_steps == view.qty_steps[small]


def test_without_edge_nothing_is_entered_and_the_choice_is_kept(view: DecisionView) -> None:
    cut = decide(view, Takes(BALANCED), HookChain([kelly_seat(after(20, 6))]))
    assert (cut.chosen, cut.qty_steps, cut.reason) == (BALANCED, 0, "SIZED_TO_ZERO")
    assert NEGATIVE_EDGE in cut.effects[0][2]


def test_what_the_plan_asks_is_measured_on_the_plan(view: DecisionView) -> None:
    made = after(40, 15, largest=0.005)
    qty = int(view.qty_steps[BALANCED])
    exits = Template(2.0, 1.5, 1.5, 24.0)

    def factor(order: PlannedOrder) -> float:
        choice = SizingChoice(BALANCED, no_propensities(FULL.n, BALANCED), "", order)
        effect = made.answer_choice(view, choice)
        return effect.factor if isinstance(effect, Scale) else 1.0

    whole = factor(PlannedOrder(qty, 3, 1.5, exits))
    half = factor(PlannedOrder(qty // 2, 3, 1.5, exits))
    assert half == pytest.approx(min(1.0, 2.0 * whole), rel=1e-3)
    assert factor(PlannedOrder(qty, 3, 3.0, exits)) < 0.6 * whole


def test_what_cannot_be_known_is_not_entered(view: DecisionView) -> None:
    made = after(40, 15, largest=0.005)
    nothing = np.zeros(FULL.n, dtype=np.int64)
    order = PlannedOrder(5, 3, 1.5, Template(2.0, 1.5, 1.5, 24.0))
    choice = SizingChoice(BALANCED, no_propensities(FULL.n, BALANCED), "", order)
    effect = made.answer_choice(replace(view, qty_steps=nothing), choice)
    assert isinstance(effect, KellyScale)
    assert effect.factor == 0.0


def test_an_answer_without_the_choice_holds_for_every_action(view: DecisionView) -> None:
    effect = after(40, 15, largest=0.005).answer(HookPoint.POSITION_SIZING, view)
    assert isinstance(effect, Scale)
    assert effect.factor == pytest.approx(0.25)
    assert after(20, 6).answer(HookPoint.RISK_CHECK, view) == Keep()


def test_the_seat_binds() -> None:
    assert kelly_seat(cap()).mode is Mode.ENFORCED


def test_the_drawdown_constraint_lowers_kelly_further() -> None:
    loose = after(60, 30, gain=1.6)
    tight = after(60, 30, gain=1.6, dd_constraint=True, dd_alpha=0.95, dd_beta=0.01)
    assert 0.0 < (tight.allowance().kelly or 0.0) < (loose.allowance().kelly or 0.0)
    r = np.array([1.6] * 30 + [-1.0] * 30)
    power = np.log(0.01) / np.log(0.95)
    assert ((1.0 + (tight.allowance().kelly or 0.0) * r) ** -power).mean() <= 1.0 + 1e-9


def test_the_way_back_leads_over_paper_and_a_trial() -> None:
    made = after(20, 6)
    assert made.on_paper
    for k in range(PAPER_TRADES):
        assert made.on_paper
        assert made.learn_one(trade(100 + k, 2.0 if k % 2 else -1.0, paper=True))
    assert not made.on_paper
    assert made.allowance().risk_frac == 0.005
    for k in range(TRIAL_TRADES):
        assert made.allowance().risk_frac == 0.005
        made.learn_one(trade(200 + k, -1.0))
    # The window restarts from the trial: ten trades are too few for Kelly to act on.
    assert made.n_trades == TRIAL_TRADES
    assert made.allowance().kelly is None


def test_losses_on_paper_lead_nowhere_and_paper_counts_only_then() -> None:
    made = after(20, 6)
    for k in range(3 * PAPER_TRADES):
        made.learn_one(trade(100 + k, -1.0, paper=True))
    assert made.on_paper
    good = after(20, 12)
    before = good.digest()
    assert not good.learn_one(trade(100, 5.0, paper=True))
    assert good.digest() == before


def test_a_trade_counts_once_and_a_bad_one_not_at_all() -> None:
    made = after(20, 12)
    before = made.digest()
    assert not made.learn_one(trade(3, 2.0))
    bad = [
        trade(50, float("nan")),
        trade(51, float("inf")),
        TradeOutcome("", "X", 60, 61, 1.0),
        TradeOutcome("turned", "X", 90, 80, 1.0),
    ]
    for outcome in bad:
        with pytest.raises(FixInput):
            made.learn_one(outcome)
    assert made.digest() == before
    # A close that is reported late is a trade all the same.
    assert made.learn_one(TradeOutcome("late", "X", 0, 5, 1.0))


def test_state_round_trip_and_refusals(tmp_path: Path) -> None:
    made, other = after(20, 6), cap()
    made.learn_one(trade(100, 1.0, paper=True))
    made.checkpoint(tmp_path / "kelly.json")
    other.restore(tmp_path / "kelly.json")
    assert other.digest() == made.digest()
    assert other.on_paper
    assert not other.learn_one(trade(3, 1.0))
    before = other.digest()
    values, arrays = made.state_dict()
    for bad in ({**values, "schema": "x"}, {"schema": "kelly-cap"}, {**values, "tally": 3}):
        with pytest.raises(RefusedArtifact):
            other.load_state_dict((bad, arrays))
    with pytest.raises(RefusedArtifact):
        other.load_state_dict((values, {}))
    assert other.digest() == before


@pytest.mark.parametrize(
    ("setting", "mode", "on"),
    [
        ("auto", "agent", False), ("auto", "math_ai", True), ("true", "agent", True),
        ("true", "math_ai", True), ("false", "agent", False), ("false", "math_ai", False),
    ],
)  # fmt: skip
def test_the_setting_resolved(setting: str, mode: str, on: bool) -> None:
    assert is_kelly_on(setting, mode) is on


def test_it_acts_in_the_environment_and_learns_from_it() -> None:
    """A run of losing trades is stopped; a chain without the cap goes on."""

    def play(enabled: bool) -> tuple[int, KellyCap]:
        made = KellyCap(FULL, KellySettings(min_trades=8), PLAN, enabled)
        env = TradingEnv(candidates="signals", chain=HookChain([kelly_seat(made)]))
        _, info = env.reset(seed=1)
        opened = 0
        for _ in range(260):
            # Against the signal: without edge, and paying costs.
            side = 2 if info["side"] > 0 else 1
            _, _, end, stop, info = env.step([side, 34])
            opened += info["reason"] == ""
            for row in info["resolved"]:
                made.learn_one(row)
            if end or stop:
                break
        return opened, made

    opened, made = play(True)
    freely, _ = play(False)
    assert made.on_paper
    assert opened < freely
    assert CoreSettings().plan == PLAN
