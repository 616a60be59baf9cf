"""The mathematician sizes, within the caps; the learner goes on from the nearest action."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agents.checks import check_agent, sample_rows
from agents.settings import KellySettings, SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.kelly_cap import KellyCap, kelly_seat
from agents.sizing.kelly_tally import NEGATIVE_EDGE
from agents.sizing.math_mode import CAPPED_OUT, FAILED, NO_GRID_ACTION, MathModeAgent, exits_of_plan
from agents.sizing.q_learning import QLearningAgent
from envs.core.actions import ActionPreset, preset
from envs.core.decide import decide
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.hooks import HookChain
from envs.core.rules.exits import Template
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings, PlanSettings
from envs.core.tape import SignalTape
from envs.core.trade import Alternatives, ClosedTrade, ResolvedDecision, Skipped
from envs.core.types import ExitReason
from envs.core.view import DecisionView
from envs.core.world import Resolved

FULL = preset("full")
CORE = CoreSettings()
T20 = Template(2.0, 1.5, 1.5, 24.0)
Market = tuple[MarketSeries, SignalTape]


def kelly(grid: ActionPreset = FULL, enabled: bool = True, **settings: float) -> KellyCap:
    return KellyCap(grid, replace(KellySettings(), **settings), CORE.plan, enabled)


def math_agent(
    market: Market, grid: ActionPreset = FULL, cap: KellyCap | None = None,
    settings: CoreSettings = CORE, learner: Any = None,
) -> MathModeAgent:  # fmt: skip
    instruments = {i.symbol: i for i in market[0].market.instruments}
    learner = learner or CounterfactualAgent(grid, SizingSettings())
    return MathModeAgent(learner, settings, instruments, cap or kelly(grid))


@pytest.fixture
def view(views: list[DecisionView]) -> DecisionView:
    return next(v for v in views if v.executable)


@pytest.mark.parametrize("name", ["full", "classic", "overview"])
@pytest.mark.parametrize("learner", [CounterfactualAgent, QLearningAgent])
def test_conforms(name: str, learner: Any, market: Market) -> None:
    check_agent(lambda g: math_agent(market, g, learner=learner(g, SizingSettings())), name)


def test_the_order_is_the_plan_and_is_learned_as_the_nearest_action(
    market: Market, view: DecisionView
) -> None:
    agent = math_agent(market)
    decision = decide(view, agent, HookChain())
    p = agent.parameters(view)
    assert decision.plan is not None
    assert decision.chosen == FULL.index_of(1.0, p.leverage, FULL.actions[2].exit)
    assert decision.plan.exits == T20
    assert (decision.plan.leverage, decision.plan.sl_atr) == (p.leverage, 1.5)
    instrument = agent._instruments[view.symbol]
    assert instrument.quantity(decision.qty_steps) == pytest.approx(p.qty, rel=1e-9)


def test_the_order_is_carried_out_with_its_own_levels(market: Market, make_desk: Any) -> None:
    """Stop at 1.5 ATR and target at 2 R, where the grid's balanced exit has 2.5 or 1.5 R."""
    desk, agent, closed = make_desk("full"), math_agent(market), 0
    plans: dict[str, Any] = {}
    for _ in range(500):
        for s in desk.candidates():
            if desk.block_reason(s):
                continue
            view = desk.view(s)
            decision = decide(view, agent, HookChain())
            assert desk.commit(view, decision)
            plans[decision.decision_id] = view
        resolved: list[Resolved] = desk.world.advance()
        for s, p in desk.world.account.positions.items():
            levels, view = p.levels, plans[p.decision.decision_id]
            c = desk.world.data.contracts[s]
            risk = 1.5 * view.atr * c.tick_den / c.tick_num
            assert levels.entry - levels.stop0 == pytest.approx(risk, abs=1.0)
            assert levels.target - levels.entry == pytest.approx(2.0 * risk, abs=1.0)
            assert levels.partial - levels.entry == pytest.approx(1.5 * risk, abs=1.0)
            assert p.order.leverage == p.decision.plan.leverage
        for r in resolved:
            if isinstance(r.outcome, ClosedTrade):
                closed += 1
                assert r.outcome.leverage == 3
                if r.outcome.reason is ExitReason.TARGET:
                    assert 1.5 < r.outcome.r_gross < 2.1
    assert closed > 20


def test_a_leverage_between_two_of_the_grid_is_the_plans(market: Market, make_desk: Any) -> None:
    grid = preset("overview")
    plan = replace(CORE.plan, leverage=4)
    agent = math_agent(market, grid, settings=replace(CORE, plan=plan))
    desk = make_desk("overview")
    s = desk.candidates()[0]
    view = desk.view(s)
    decision = decide(view, agent, HookChain())
    assert desk.commit(view, decision)
    assert decision.chosen is not None
    assert grid.actions[decision.chosen].leverage != 4
    assert desk.world.account.pending[s].order.leverage == 4


def test_another_target_moves_partial_and_trail_with_it() -> None:
    assert exits_of_plan(PlanSettings()) == T20
    assert exits_of_plan(PlanSettings(tp_sl=4.0)) == Template(4.0, 3.0, 3.0, 24.0)


def test_the_context_alone_gives_the_same_action(market: Market, views: list[DecisionView]) -> None:
    agent = math_agent(market)
    for view in views[:200]:
        if view.executable:
            alone = agent.decide(view.context, None).index
            assert alone == decide(view, agent, HookChain()).chosen


def test_a_recovering_account_enters_less(market: Market, view: DecisionView) -> None:
    agent = math_agent(market)
    whole = decide(view, agent, HookChain())
    small = replace(view, funds=view.funds._replace(size_factor=0.25))
    cut = decide(small, agent, HookChain())
    assert cut.chosen == whole.chosen
    assert cut.qty_steps == pytest.approx(0.25 * whole.qty_steps, abs=1.0)


def test_the_caps_of_the_world_hold(market: Market, view: DecisionView) -> None:
    rich = replace(CORE, plan=replace(CORE.plan, max_margin=0.9, risk_per_trade=0.02))
    agent = math_agent(market, settings=rich)
    choice = agent.decide_view(view, None)
    assert choice.plan is not None
    instrument = agent._instruments[view.symbol]
    price = instrument.price(view.close_ticks)
    notional = price * instrument.quantity(choice.plan.qty_steps)
    equity = view.funds.equity
    assert notional / choice.plan.leverage <= CORE.risk.max_position_margin * equity * (1 + 1e-12)
    full = replace(view, funds=view.funds._replace(gross_notional=1e9))
    assert agent.decide_view(full, None).reason in (CAPPED_OUT, "BELOW_MIN_NOTIONAL")
    assert agent.decide_view(full, None).plan is None


@pytest.mark.parametrize("name", ["full", "classic"])
def test_an_error_is_no_entry(name: str, market: Market, make_desk: Any) -> None:
    grid = preset(name)
    desk = make_desk(name)
    while not desk.candidates():
        desk.world.advance()
    view = desk.view(desk.candidates()[0])
    stranger = MathModeAgent(CounterfactualAgent(grid, SizingSettings()), CORE, {}, kelly(grid))
    decision = decide(view, stranger, HookChain())
    assert decision.qty_steps == 0
    assert decision.chosen == grid.skip_index
    assert decision.reason.startswith(FAILED)
    assert not desk.commit(view, decision)


def test_a_plan_no_action_stands_for_is_no_entry(market: Market, view: DecisionView) -> None:
    mask = view.context.mask & (np.array([a.exit for a in FULL.actions]) != 1)
    mask[0] = True
    seen = replace(view, context=replace(view.context, mask=mask))
    decision = decide(seen, math_agent(market), HookChain())
    assert (decision.chosen, decision.qty_steps, decision.reason) == (0, 0, NO_GRID_ACTION)


def test_a_bad_account_is_no_entry(market: Market, view: DecisionView) -> None:
    agent = math_agent(market)
    for changes in ({"equity": -1.0}, {"free_margin": 0.0}, {"equity": float("nan")}):
        seen = replace(view, funds=view.funds._replace(**changes))
        choice = agent.decide_view(seen, None)
        assert (choice.index, choice.plan, choice.reason) == (0, None, "INVALID_INPUT")


def lost(k: int, view: DecisionView, chosen: int) -> ResolvedDecision:
    """A row whose trade lost its whole risk."""
    row = next(
        r for r in sample_rows(FULL, 40, k) if isinstance(r.outcome, ClosedTrade)
    )  # fmt: skip
    assert isinstance(row.outcome, ClosedTrade)
    trade = replace(
        row.outcome, decision_id=f"d{k}", entry_ns=k, exit_ns=k + 1, r_net=-1.0, net_units=-100
    )
    decision = replace(row.decision, decision_id=f"d{k}", chosen=chosen, context=view.context)
    return ResolvedDecision(decision, trade, -0.01)


def test_the_wrapped_learner_learns_the_nearest_action(market: Market, view: DecisionView) -> None:
    learner = QLearningAgent(FULL, SizingSettings())
    agent = math_agent(market, learner=learner)
    chosen = agent.decide(view.context, None).index
    agent.learn_one(lost(1, view, chosen))
    assert learner.visits[view.context.state, chosen] == 1.0
    assert learner.visits.sum() == 1.0
    assert learner.q[view.context.state, chosen] == pytest.approx(-0.0015)
    assert agent.kelly.n_trades == 1


def test_without_edge_it_waits_and_paper_leads_back(market: Market, view: DecisionView) -> None:
    agent = math_agent(market)
    chosen = agent.decide(view.context, None).index
    for k in range(20):
        agent.learn_one(lost(k, view, chosen))
    waiting = decide(view, agent, HookChain([kelly_seat(agent.kelly)]))
    assert (waiting.chosen, waiting.qty_steps, waiting.reason) == (0, 0, NEGATIVE_EDGE)
    assert agent.paper_action(view.context) == chosen
    nothing = np.zeros(FULL.n, dtype=np.int64)
    reward = np.where(view.context.mask, 0.001, np.nan)
    for k in range(20):
        net = np.full(FULL.n, 10**10 if k % 2 else -(10**9), dtype=np.int64)
        earned = Alternatives(reward, net, nothing + k + 1, np.zeros(3, dtype=np.int64))
        row = replace(waiting, decision_id=f"paper{k}")
        # What was neither entered nor followed counts for nothing.
        skipped = replace(row, decision_id=f"skipped{k}")
        agent.learn_one(ResolvedDecision(skipped, Skipped(NEGATIVE_EDGE), 0.0, earned))
        assert agent.kelly.on_paper
        agent.learn_one(ResolvedDecision(row, None, 0.0, earned))
    assert agent.paper_action(view.context) is None
    trial = agent.decide_view(view, None)
    assert trial.plan is not None
    instrument = agent._instruments[view.symbol]
    notional = instrument.price(view.close_ticks) * instrument.quantity(trial.plan.qty_steps)
    c = view.context
    assert notional * (1.5 * c.atr_frac + c.round_trip) <= 0.005 * view.funds.equity * (1 + 1e-12)


def test_the_seated_cap_leaves_a_plan_that_keeps_to_it(market: Market, view: DecisionView) -> None:
    agent = math_agent(market, cap=kelly(largest=0.004))
    for k in range(40):
        row = lost(k, view, 40)
        assert isinstance(row.outcome, ClosedTrade)
        agent.learn_one(replace(row, outcome=replace(row.outcome, r_net=2.0 if k % 2 else -1.0)))
    alone = decide(view, agent, HookChain())
    seated = decide(view, agent, HookChain([kelly_seat(agent.kelly)]))
    assert agent.kelly.allowance().risk_frac == 0.004
    assert seated.qty_steps == alone.qty_steps > 0


def test_a_refused_row_changes_nothing(market: Market, view: DecisionView) -> None:
    agent = math_agent(market, learner=QLearningAgent(FULL, SizingSettings()))
    row = lost(1, view, 40)
    assert isinstance(row.outcome, ClosedTrade)
    before = agent.digest()
    bad: list[ResolvedDecision] = [
        replace(row, outcome=replace(row.outcome, r_net=float("nan"))),
        replace(row, reward=float("nan")),
        replace(row, decision=replace(row.decision, chosen=200)),
        replace(row, outcome=replace(row.outcome, decision_id="another")),
    ]
    for refused in bad:
        with pytest.raises(FixInput):
            agent.learn_one(refused)
        assert agent.digest() == before


def test_a_refused_state_changes_nothing(market: Market, view: DecisionView) -> None:
    agent, other = math_agent(market), math_agent(market)
    agent.learn_one(lost(1, view, 40))
    values, arrays = agent.state_dict()
    before = other.digest()
    learner = {**values["learner"], "schema": "x"}
    no_windows = {k: v for k, v in arrays.items() if not k.startswith("kelly.")}
    for bad in (
        ({**values, "schema": "x"}, arrays), ({**values, "learner": learner}, arrays),
        ({**values, "kelly": {}}, arrays), ({k: values[k] for k in ("schema", "preset")}, arrays),
        (values, no_windows),
    ):  # fmt: skip
        with pytest.raises(RefusedArtifact):
            other.load_state_dict(bad)
        assert other.digest() == before
    other.load_state_dict((values, arrays))
    assert other.digest() == agent.digest()


def test_a_negative_index_opens_nothing(view: DecisionView) -> None:
    brain: Any = SimpleNamespace(
        decide_view=lambda view, rng: SimpleNamespace(index=-1, reason="WHY", plan=None)
    )
    decision = decide(view, brain, HookChain())
    assert (decision.chosen, decision.qty_steps, decision.reason) == (None, 0, "WHY")
