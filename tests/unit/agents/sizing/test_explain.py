"""An explanation says what the agent and the rules themselves say."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from agents.checks import sample_rows
from agents.protocol import SizingAgent
from agents.settings import KellySettings, SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.ev_kelly import EvKelly
from agents.sizing.explain import Explanation, explain
from agents.sizing.explain_limits import SymbolRules
from agents.sizing.kelly_cap import KellyCap, kelly_seat
from agents.sizing.mathematician import Mathematician
from agents.sizing.q_learning import COLD_STATE, QLearningAgent
from envs.core.actions import preset
from envs.core.errors import FixInput
from envs.core.hooks import HookChain
from envs.core.settings import CoreSettings
from envs.core.view import DecisionView

FULL = preset("full")
SETTINGS = SizingSettings(shrink_k=(20.0, 5.0, 2.0))


def taught(agent: SizingAgent, n: int = 3_000) -> SizingAgent:
    for row in sample_rows(FULL, n, 3):
        agent.learn_one(row)
    return agent


@pytest.fixture(scope="module")
def agents() -> dict[str, SizingAgent]:
    return {
        "table": taught(CounterfactualAgent(FULL, SETTINGS)),
        "no prior": taught(CounterfactualAgent(FULL, replace(SETTINGS, prior="none"))),
        "untaught": CounterfactualAgent(FULL, replace(SETTINGS, prior="none")),
        "few rows": taught(CounterfactualAgent(FULL, SETTINGS), 25),
        "scattered rows": taught(CounterfactualAgent(FULL, SETTINGS), 70),
        "classic": taught(QLearningAgent(FULL, SETTINGS)),
        "double": taught(QLearningAgent(FULL, replace(SETTINGS, algorithm="double"))),
        "ev_kelly": EvKelly(FULL, replace(SETTINGS, kelly_fraction=0.3)),
    }


NAMES = [
    "table", "no prior", "untaught", "few rows", "scattered rows", "classic", "double", "ev_kelly",
]  # fmt: skip


def compared(agent: SizingAgent, view: DecisionView) -> np.ndarray:
    """What the agent itself compares."""
    if isinstance(agent, QLearningAgent):
        return np.where(view.context.mask, agent.values(view.context.state), -np.inf)
    assert isinstance(agent, CounterfactualAgent | EvKelly)
    return agent.scores(view.context)


def explained(
    view: DecisionView, agent: SizingAgent, symbol_rules: list[SymbolRules],
    chain: HookChain | None = None,
) -> Explanation:  # fmt: skip
    return explain(view, agent, symbol_rules[view.symbol_index], chain)


@pytest.mark.parametrize("name", NAMES)
def test_chosen_and_scores_are_the_agents_own(
    name: str, agents: dict[str, SizingAgent], views: list[DecisionView],
    symbol_rules: list[SymbolRules],
) -> None:  # fmt: skip
    agent, chosen = agents[name], set()
    for view in views[::3]:
        found = explained(view, agent, symbol_rules)
        own = agent.decide(view.context, None).index
        assert found.would_choose == own
        assert found.chosen == (own if view.executable else None)
        assert [r.index for r in found.rungs if r.chosen] == [own]
        assert [r.value.score for r in found.rungs] == compared(agent, view).tolist()
        chosen.add(own)
    # The sample holds skips and trades, or the agreement would say little.
    assert name == "untaught" or len(chosen) > 1


@pytest.mark.parametrize("name", ["table", "no prior", "few rows", "scattered rows", "ev_kelly"])
def test_the_parts_add_up_to_the_score(
    name: str, agents: dict[str, SizingAgent], views: list[DecisionView],
    symbol_rules: list[SymbolRules],
) -> None:  # fmt: skip
    seen = 0
    for view in views[::9]:
        for rung in explained(view, agents[name], symbol_rules).rungs:
            v = rung.value
            assert v.score is not None
            if v.score == -np.inf:
                continue
            parts = (v.prior or 0.0) + (v.learned or 0.0) - (v.kelly or 0.0) - (v.doubt or 0.0)
            assert parts == pytest.approx(v.score, rel=1e-12, abs=1e-15)
            assert v.expected is None or v.expected >= v.score - 1e-15
            seen += 1
    assert seen > 500


def test_visits_are_the_tables(
    agents: dict[str, SizingAgent], views: list[DecisionView], symbol_rules: list[SymbolRules]
) -> None:
    table = agents["table"]
    assert isinstance(table, CounterfactualAgent)
    view = views[5]
    state = view.context.state
    rung = explained(view, table, symbol_rules).rungs[40]
    rows = (state, state // 12, state // 60)
    assert rung.value.visits == tuple(table.raw[k, r, 40] for k, r in enumerate(rows))
    assert rung.value.effective == tuple(table.eff[k, r, 40] for k, r in enumerate(rows))
    assert sum(rung.value.visits) > 0.0


def test_a_cold_state_says_so(views: list[DecisionView], symbol_rules: list[SymbolRules]) -> None:
    view = next(v for v in views if v.executable)
    found = explained(view, QLearningAgent(FULL, SETTINGS), symbol_rules)
    assert found.reason == COLD_STATE
    assert found.chosen is not None
    assert FULL.actions[found.chosen].size == 0.5


def test_an_agent_without_values_is_explained_by_its_sizes(
    views: list[DecisionView], symbol_rules: list[SymbolRules]
) -> None:
    core = CoreSettings()
    found = explained(views[0], Mathematician(FULL, core.plan, core.costs), symbol_rules)
    assert all(r.value.score is None and r.value.expected is None for r in found.rungs)
    assert found.would_choose == FULL.index_of(1.0, 3, FULL.actions[2].exit)


def test_notional_is_what_the_view_was_sized_to(
    agents: dict[str, SizingAgent], views: list[DecisionView], symbol_rules: list[SymbolRules]
) -> None:
    clamped = 0
    for view in views[::5]:
        found = explained(view, agents["ev_kelly"], symbol_rules)
        for rung in found.rungs:
            assert rung.allowed == pytest.approx(
                view.context.notional_frac[rung.index] * found.equity, rel=1e-12
            )
            assert rung.masked == (not view.context.mask[rung.index])
            assert rung.clamped == bool(view.context.clamped[rung.index])
            assert rung.clamped == bool(rung.limits) or rung.masked
            assert rung.fee_drag == view.context.notional_frac[rung.index] * found.round_trip
            clamped += rung.clamped
        if found.chosen is not None:
            assert found.executed == pytest.approx(found.rungs[found.chosen].allowed)
    assert clamped > 0


@pytest.mark.parametrize(
    ("changes", "funds", "name"),
    [
        ({"max_position_margin": 0.05}, {}, "position margin"),
        ({"max_risk": 0.0004}, {}, "risk after costs"),
        ({"max_gross": 0.2}, {"gross_notional": 1_000.0}, "gross exposure"),
        ({"max_total_risk": 0.05}, {"total_risk": 495.0}, "total risk"),
    ],
)
def test_each_cap_is_named_when_it_binds(
    changes: dict[str, float], funds: dict[str, float], name: str, views: list[DecisionView],
    symbol_rules: list[SymbolRules],
) -> None:  # fmt: skip
    symbol = symbol_rules[0]
    symbol = replace(symbol, rules=symbol.rules._replace(**changes))
    view = next(v for v in views if v.symbol_index == 0)
    view = replace(view, funds=view.funds._replace(**funds))
    found = explain(view, EvKelly(FULL, SETTINGS), symbol)
    rung = found.rungs[FULL.index_of(1.5, 5, FULL.actions[2].exit)]
    assert rung.limits == (name,)
    assert found.rungs[FULL.skip_index or 0].limits == ()


def test_what_set_the_plan_is_named(
    views: list[DecisionView], symbol_rules: list[SymbolRules]
) -> None:
    view, symbol = views[0], symbol_rules[views[0].symbol_index]

    def limits(atr_frac: float = 0.01, **funds: float) -> tuple[str, ...]:
        seen = replace(
            view,
            context=replace(view.context, atr_frac=atr_frac),
            funds=view.funds._replace(**funds),
        )
        return explain(seen, EvKelly(FULL, SETTINGS), symbol).exits[1].plan_limits

    assert limits() == ("plan margin",)
    assert limits(0.04) == ("plan margin", "volatility")
    assert limits(0.2) == ("risk", "volatility")
    assert limits(free_margin=300.0) == ("free margin",)
    assert limits(size_factor=0.25) == ("plan margin", "recovery after a stop")
    assert limits(0.0001) == ()


def test_a_mask_names_its_reason(
    views: list[DecisionView], symbol_rules: list[SymbolRules]
) -> None:
    view = views[0]
    reasons = view.mask_reasons.copy()
    reasons[40], reasons[41] = 4, 3
    mask = view.context.mask.copy()
    mask[40:42] = False
    seen = replace(view, mask_reasons=reasons, context=replace(view.context, mask=mask))
    rungs = explained(seen, EvKelly(FULL, SETTINGS), symbol_rules).rungs
    assert (rungs[40].mask_reason, rungs[41].mask_reason) == (
        "BELOW_MIN_NOTIONAL", "LIQUIDATION_TOO_NEAR",
    )  # fmt: skip
    assert "minimum order" in rungs[40].limits
    assert (rungs[40].value.score, rungs[41].masked) == (-np.inf, True)


def test_a_gate_that_cuts_is_shown(
    agents: dict[str, SizingAgent], views: list[DecisionView], symbol_rules: list[SymbolRules]
) -> None:
    agent = agents["ev_kelly"]
    view = next(
        v for v in views if v.executable and agent.decide(v.context, None).index != 0
    )  # fmt: skip
    cap = KellyCap(FULL, KellySettings(min_trades=1), CoreSettings().plan)
    plain = explained(view, agent, symbol_rules)
    assert plain.effects == ()
    cap._tally.record_real(("a", 0), -1.0)
    cut = explained(view, agent, symbol_rules, HookChain([kelly_seat(cap)]))
    assert (cut.chosen, cut.executed, cut.reason) == (plain.chosen, 0.0, "SIZED_TO_ZERO")
    ((who, point, what),) = cut.effects
    assert (who, point) == ("kelly cap", "POSITION_SIZING")
    assert "NEGATIVE_EDGE" in what
    shut = explained(view, agent, symbol_rules, HookChain(min_confidence=2.0))
    assert (shut.chosen, shut.blocked, shut.would_choose) == (
        None, "BELOW_THRESHOLD", plain.chosen,
    )  # fmt: skip


def test_json_is_plain_and_whole(
    agents: dict[str, SizingAgent], views: list[DecisionView], symbol_rules: list[SymbolRules]
) -> None:
    found = explained(views[0], agents["untaught"], symbol_rules)
    text = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert len(text["rungs"]) == 76
    assert text["rungs"][1]["value"]["score"] is None
    assert text["rungs"][0]["value"]["expected"] == 0.0
    assert set(text["state"]) == {"regime", "confidence", "exposure", "performance"}


def test_the_best_hold_the_chosen_and_skip(
    agents: dict[str, SizingAgent], views: list[DecisionView], symbol_rules: list[SymbolRules]
) -> None:
    found = explained(views[3], agents["table"], symbol_rules)
    best = found.best(5)
    assert len(best) in (5, 6)
    assert {0, found.would_choose} <= {r.index for r in best}
    scores = [r.value.score for r in best[:5]]
    assert scores == sorted(scores, key=lambda x: -(x or 0.0))


def test_the_best_leave_out_what_may_not_be_taken(
    agents: dict[str, SizingAgent], views: list[DecisionView], symbol_rules: list[SymbolRules]
) -> None:
    found = explained(views[3], agents["table"], symbol_rules)
    odd = tuple(
        replace(r, mask_reason="STOP_INSIDE_COST") if r.index % 2 else r for r in found.rungs
    )
    best = replace(found, rungs=odd).best(20)
    assert sum(not r.masked for r in best) >= 20
    assert all(r.chosen for r in best if r.masked)


def test_another_preset_is_refused(
    views: list[DecisionView], symbol_rules: list[SymbolRules]
) -> None:
    with pytest.raises(FixInput, match="25 actions"):
        explained(views[0], EvKelly(preset("classic"), SETTINGS), symbol_rules)
