"""``RL_SIZING_MODE=math_ai``: the mathematician sizes, the trained agent goes on learning (8.5).

The order is the mathematician's own (margin, leverage, stop and target of template T20), kept
within the caps of the world. What is learned is the grid action nearest to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from agents.outcomes import paper_outcome
from agents.protocol import AgentState, SizingAgent
from agents.sizing.kelly_cap import KellyCap
from agents.sizing.kelly_tally import NEGATIVE_EDGE
from agents.sizing.mathematician import (
    BELOW_MIN_NOTIONAL,
    AccountState,
    MarketConditions,
    OptimalParameters,
    nearest_action,
    optimal_parameters,
    planned_action,
    whole_margin,
)
from envs.artifact import content_digest
from envs.core.errors import RefusedArtifact
from envs.core.instrument import Instrument
from envs.core.rules.exits import Template, template
from envs.core.rules.rounding import floor_whole
from envs.core.rules.sizing import OK, capped_notional, caps_of
from envs.core.series import contract_of, size_rules_of
from envs.core.settings import CoreSettings, PlanSettings
from envs.core.trade import (
    ClosedTrade,
    PlannedOrder,
    ResolvedDecision,
    SizingChoice,
    SizingContext,
    no_propensities,
)
from envs.core.types import ExitStrategy
from envs.core.view import DecisionView

SCHEMA = "math-mode"
FAILED = "MATHEMATICIAN_FAILED"
NO_GRID_ACTION = "NO_GRID_ACTION"
CAPPED_OUT = "CAPPED_OUT"
_T20 = template(int(ExitStrategy.CONSERVATIVE), 0)


class MathModeAgent:
    """Brain of the mathematician around a learner.

    ``decide`` knows the context alone and answers with the grid action nearest to the plan;
    ``decide_view`` sees account and instrument and carries the plan itself. Whatever fails inside
    means no entry.

    Args:
        learner: learns every resolved decision; its preset is the grid.
        settings: plan, costs and limits.
        instruments: by symbol.
        kelly: lowers the risk of the plan where it is enabled, and counts the closed trades.
    """

    name: str = "math_ai"

    def __init__(
        self, learner: SizingAgent, settings: CoreSettings, instruments: Mapping[str, Instrument],
        kelly: KellyCap,
    ) -> None:  # fmt: skip
        self.learner, self.preset, self.kelly = learner, learner.preset, kelly
        self._settings = settings
        self._instruments = dict(instruments)
        self._rules = size_rules_of(settings)
        self._exits = exits_of_plan(settings.plan)

    def adopt(self, instruments: Mapping[str, Instrument]) -> None:
        """Plan in the ticks, steps and least orders of these contracts from now on."""
        self._instruments = dict(instruments)

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Grid action nearest to the plan of the context; no chance plays a part."""
        try:
            allowance = self.kelly.allowance()
            index = self._planned(context, allowance.risk_frac)
            reason = allowance.reason
        except Exception as error:
            index, reason = None, f"{FAILED}: {error!r}"
        if index is None:
            index = self._nothing()
            # A grid without skip has no way to say so to who sees the context alone.
            index = index if index >= 0 else int(np.flatnonzero(context.mask)[0])
        return SizingChoice(index, no_propensities(self.preset.n, index), reason)

    def decide_view(self, view: DecisionView, rng: np.random.Generator | None) -> SizingChoice:
        """Return the plan as an order within the caps, and the action it is learned as."""
        try:
            return self._decide(view)
        except Exception as error:
            return self._no_entry(f"{FAILED}: {error!r}")

    def parameters(self, view: DecisionView) -> OptimalParameters:
        """Plan of spec 7 for a view, before the caps of the world.

        Raises:
            KeyError: No instrument of that symbol.
        """
        instrument = self._instruments[view.symbol]
        context, funds, settings = view.context, view.funds, self._settings
        account = AccountState(funds.equity, funds.free_margin, self.kelly.n_trades)
        price = instrument.price(view.close_ticks)
        market = MarketConditions(instrument, price, view.side, context.atr_frac)
        return optimal_parameters(
            account, market, self.kelly.allowance(), settings.plan, settings.costs,
            context.round_trip,
        )  # fmt: skip

    def paper_action(self, context: SizingContext) -> int | None:
        """Return the plan's grid action without Kelly, while nothing is risked for want of edge."""
        if not self.kelly.on_paper:
            return None
        return self._planned(context, self._settings.plan.risk_per_trade)

    def learn_one(self, resolved: ResolvedDecision) -> None:
        """Teach the learner, and count the trade for Kelly; each once.

        A row with alternatives and no outcome is one followed on paper (``paper_action``): it
        counts for Kelly where want of edge kept it from being entered.

        Raises:
            FixInput: The learner or Kelly refuses the row; then Kelly has not counted it.
        """
        if isinstance(resolved.outcome, ClosedTrade):
            self.kelly.check(resolved)
            self.learner.learn_one(resolved)
            self.kelly.learn_one(resolved)
            return
        self.learner.learn_one(resolved)
        decision, earned = resolved.decision, resolved.alternatives
        followed_on_paper = resolved.outcome is None and decision.reason == NEGATIVE_EDGE
        if earned is None or not followed_on_paper:
            return
        index = self.paper_action(decision.context)
        if index is not None:
            followed = replace(decision, chosen=index)
            paper = paper_outcome(followed, earned, self.preset, decision.bar_close_ns)
            if paper is not None:
                self.kelly.learn_one(paper)

    def digest(self) -> str:
        """SHA-256 of what learner and Kelly have learned."""
        return content_digest({"learner": self.learner.digest(), "kelly": self.kelly.digest()}, {})

    def state_dict(self) -> AgentState:
        """Return the states of both, their arrays under the prefixes ``learner.``, ``kelly.``."""
        learner, tables = self.learner.state_dict()
        kelly, windows = self.kelly.state_dict()
        arrays = {f"learner.{k}": v for k, v in tables.items()}
        arrays.update({f"kelly.{k}": v for k, v in windows.items()})
        values = {"schema": SCHEMA, "preset": self.preset.name, "learner": learner, "kelly": kelly}
        return values, arrays

    def load_state_dict(self, state: AgentState) -> None:
        """Restore both; on refusal neither has changed.

        Raises:
            RefusedArtifact: Not a state of this mode, or one that learner or Kelly refuses.
        """
        values, arrays = state
        for key, expected in (("schema", SCHEMA), ("preset", self.preset.name)):
            if values.get(key) != expected:
                raise RefusedArtifact(
                    f"{self.name}: {key}: expected {expected!r}, found {values.get(key)!r}"
                )
        before = self.kelly.state_dict()
        self.kelly.load_state_dict(_part(values, arrays, "kelly"))
        try:
            self.learner.load_state_dict(_part(values, arrays, "learner"))
        except BaseException:
            self.kelly.load_state_dict(before)
            raise

    def _planned(self, context: SizingContext, risk: float) -> int | None:
        settings = self._settings
        return planned_action(self.preset, context, risk, settings.plan, settings.costs)

    def _decide(self, view: DecisionView) -> SizingChoice:
        p = self.parameters(view)
        if p.reason:
            return self._no_entry(p.reason)
        plan, context = self._settings.plan, view.context
        size = p.margin / whole_margin(view.funds, plan, context.atr_frac)
        index = nearest_action(self.preset, context.mask, size, p.leverage)
        if index is None or self.preset.actions[index].size == 0.0:
            return self._no_entry(NO_GRID_ACTION)
        qty, reason = self._within_world(view, p)
        if reason:
            return self._no_entry(reason)
        order = PlannedOrder(qty, p.leverage, plan.sl_atr, self._exits)
        return SizingChoice(index, no_propensities(self.preset.n, index), "", order)

    def _within_world(self, view: DecisionView, p: OptimalParameters) -> tuple[int, str]:
        """Steps of a plan beneath the caps every order is under, or why there are none."""
        instrument, rules, context = self._instruments[view.symbol], self._rules, view.context
        contract = contract_of(instrument)
        caps = caps_of(
            view.funds, rules, contract, view.close_ticks, context.atr_frac, context.round_trip,
            self._settings.plan.sl_atr,
        )  # fmt: skip
        if caps.reason != OK or p.leverage > rules.max_leverage:
            return 0, CAPPED_OUT
        notional = capped_notional(caps, p.margin * view.funds.size_factor, p.leverage)
        steps = 0
        if notional > 0.0:
            steps = floor_whole(notional / caps.price * contract.step_den / contract.step_num)
        held = caps.price * instrument.quantity(steps)
        if steps < 1 or held < max(contract.min_notional, rules.min_order_quote):
            return 0, BELOW_MIN_NOTIONAL
        return steps, ""

    def _no_entry(self, reason: str) -> SizingChoice:
        index = self._nothing()
        mass = np.zeros(self.preset.n) if index < 0 else no_propensities(self.preset.n, index)
        return SizingChoice(index, mass, reason)

    def _nothing(self) -> int:
        skip = self.preset.skip_index
        return -1 if skip is None else skip


def exits_of_plan(plan: PlanSettings) -> Template:
    """T20; with another target than 2 R partial and trail keep their place before it."""
    share = plan.tp_sl / _T20.target_r
    return Template(plan.tp_sl, _T20.partial_r * share, _T20.trail_r * share, _T20.time_h)


def _part(values: dict[str, Any], arrays: dict[str, Any], name: str) -> AgentState:
    if not isinstance(values.get(name), dict):
        raise RefusedArtifact(f"{SCHEMA}: the state lacks {name}")
    prefix = f"{name}."
    return values[name], {
        k.removeprefix(prefix): v for k, v in arrays.items() if k[: len(prefix)] == prefix
    }
