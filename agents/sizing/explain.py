"""Explain a size: the ladder of all actions at one decision, and what cut the order.

Asks the agent, the rules and the gates themselves; what is shown is what ``decide`` did.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any

from agents.protocol import SizingAgent
from agents.sizing.explain_limits import MASK_REASONS, ExitPlan, Limits, SymbolRules
from agents.sizing.explain_values import Value, values_of
from agents.sizing.math_mode import MathModeAgent
from envs.core.decide import decide
from envs.core.errors import FixInput
from envs.core.hooks import HookChain
from envs.core.rules.state import decode_state
from envs.core.trade import Decision
from envs.core.types import ExitStrategy, SizingRegime
from envs.core.view import DecisionView

REGIMES = tuple(r.name.lower() for r in SizingRegime if r >= 0)
CONFIDENCES = ("very_low", "low", "medium", "high", "very_high")
EXPOSURES = ("light", "moderate", "heavy", "max")
PERFORMANCES = ("bad", "neutral", "good")
MIN_ORDER = "minimum order"


@dataclass(frozen=True)
class Rung:
    """One action of the ladder. Notional in quote; ``_frac`` of price, drag of equity.

    ``planned`` is what size and leverage ask for, ``allowed`` what the caps and the step leave of
    it; ``limits`` names what binds. ``fee_drag`` is the round-trip cost of the allowed notional
    over equity.
    """

    index: int
    label: str
    size: float
    leverage: int
    exit: str
    mask_reason: str
    planned: float
    allowed: float
    clamped: bool
    limits: tuple[str, ...]
    fee_drag: float
    stop_frac: float
    liquidation_frac: float
    value: Value
    chosen: bool

    @property
    def masked(self) -> bool:
        """Whether the action may not be taken."""
        return bool(self.mask_reason)


@dataclass(frozen=True)
class Explanation:
    """One decision laid open.

    ``executed`` is the notional of the order that went out, quote, 0 where none did; ``reason``
    says why not. ``effects`` are what the gates of the chain answered. ``blocked`` names what
    kept the candidate from being decided: then ``would_choose`` is what the agent would have taken,
    else it is what it took; None where it was not or could not be asked. ``plan`` is the
    mathematician's own order where he sizes.
    """

    decision_id: str
    symbol: str
    bar_close_ns: int
    side: int
    agent: str
    preset: str
    price: float
    equity: float
    free_margin: float
    ev: float
    confidence: float
    round_trip: float
    atr_frac: float
    state: dict[str, str]
    exits: tuple[ExitPlan, ...]
    rungs: tuple[Rung, ...]
    chosen: int | None
    would_choose: int | None
    executed: float
    reason: str
    blocked: str
    effects: tuple[tuple[str, str, str], ...]
    plan: str = ""

    def best(self, n: int) -> tuple[Rung, ...]:
        """The ``n`` best rungs by score, the chosen one and skip always among them."""
        order = sorted(self.rungs, key=lambda r: (-_rank(r), r.index))
        kept = [r for r in order if not r.masked][:n]
        extra = [r for r in order if (r.chosen or r.size == 0.0) and r not in kept]
        return tuple(kept + extra)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; a number that is not finite becomes null."""
        out: dict[str, Any] = _plain(asdict(self))
        for row, rung in zip(out["rungs"], self.rungs, strict=True):
            row["masked"] = rung.masked
            row["value"]["expected"] = _plain(rung.value.expected)
        return out


def explain(
    view: DecisionView, agent: SizingAgent, symbol: SymbolRules, chain: HookChain | None = None
) -> Explanation:
    """Lay one decision open, greedily taken; changes nothing.

    Args:
        view: the frozen candidate, as the desk makes it.
        agent: what decides; one without values of its own shows none.
        symbol: limits and contract the view was sized under.
        chain: advisers asked besides; by default none.

    Raises:
        FixInput: View and agent belong to different presets.
    """
    context, grid = view.context, agent.preset
    if context.mask.shape[0] != grid.n:
        raise FixInput(
            f"explain: preset {grid.name} has {grid.n} actions, the view {context.mask.shape[0]}"
        )
    decision = decide(view, agent, chain or HookChain())
    wish = decision.chosen
    if wish is None:
        free = replace(view, executable=True, block_reason="")
        wish = decide(free, agent, HookChain()).chosen
    limits = Limits(view, symbol)
    thinks = values_of(agent.learner if isinstance(agent, MathModeAgent) else agent, context)
    rungs = tuple(_rung(i, view, agent, limits, thinks[i], wish) for i in range(grid.n))
    contract, funds = symbol.contract, view.funds
    price = view.close_ticks * contract.tick_num / contract.tick_den
    sent = price * (decision.qty_steps * contract.step_num / contract.step_den)
    return Explanation(
        view.decision_id, view.symbol, view.bar_close_ns, view.side, agent.name, grid.name, price,
        funds.equity, funds.free_margin, context.ev, context.confidence, context.round_trip,
        context.atr_frac, state_names(context.state),
        tuple(limits.exit_plan(e) for e in ExitStrategy), rungs, decision.chosen, wish, sent,
        decision.reason, _blocked(view, decision), decision.effects, _plan(view, agent),
    )  # fmt: skip


def state_names(state: int) -> dict[str, str]:
    """Names of a state's four bins."""
    regime, confidence, exposure, performance = decode_state(state)
    return {
        "regime": REGIMES[regime],
        "confidence": CONFIDENCES[confidence],
        "exposure": EXPOSURES[exposure],
        "performance": PERFORMANCES[performance],
    }


def _rung(
    index: int, view: DecisionView, agent: SizingAgent, limits: Limits, value: Value,
    wish: int | None,
) -> Rung:  # fmt: skip
    context, action = view.context, agent.preset.actions[index]
    cut = limits.cut(action.size, action.leverage, action.exit)
    plan = limits.exit_plan(action.exit)
    frac = float(context.notional_frac[index])
    reason = MASK_REASONS[int(view.mask_reasons[index])]
    named = cut.limits if reason != "BELOW_MIN_NOTIONAL" else (*cut.limits, MIN_ORDER)
    return Rung(
        index, agent.preset.label(index), action.size, action.leverage, action.exit.name.lower(),
        reason, cut.wished, frac * view.funds.equity, bool(context.clamped[index]), named,
        frac * context.round_trip, plan.stop_frac, cut.liquidation_frac, value, index == wish,
    )  # fmt: skip


def _blocked(view: DecisionView, decision: Decision) -> str:
    if decision.chosen is not None:
        return ""
    return view.block_reason or decision.reason


def _plan(view: DecisionView, agent: SizingAgent) -> str:
    return agent.parameters(view).explain() if isinstance(agent, MathModeAgent) else ""


def _rank(rung: Rung) -> float:
    score = rung.value.score
    if score is None:
        return rung.allowed
    return score if score == score else float("-inf")


def _plain(value: Any) -> Any:
    """Replace what JSON has no number for."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
