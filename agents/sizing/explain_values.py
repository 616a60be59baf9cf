"""What an agent thinks of every action, taken apart: prior, learned part, caution (spec 8.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.protocol import SizingAgent
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.ev_kelly import EvKelly
from agents.sizing.q_learning import QLearningAgent
from agents.sizing.table_math import MIN_ROWS, Line, line_of, prior_on, shrunk_score, spread
from envs.core.rules.state import N_CONFIDENCE, N_STATES
from envs.core.trade import SizingContext

_CELLS_PER_PAIR = N_STATES // (5 * N_CONFIDENCE)


@dataclass(frozen=True)
class Value:
    """One action's value, log growth a decision (``classic``: its own reward, discounted ahead).

    ``score = prior + learned - kelly - doubt`` where all four are known. ``score`` is what is
    compared, -inf where the action is masked or has no evidence. ``visits``, ``effective`` count
    rows by level: state, (regime, confidence), regime; empty where nothing is counted.
    """

    score: float | None = None
    prior: float | None = None
    learned: float | None = None
    kelly: float | None = None
    doubt: float | None = None
    visits: tuple[float, ...] = ()
    effective: tuple[float, ...] = ()

    @property
    def expected(self) -> float | None:
        """Expected value of the action without caution; None where nothing is expected of it."""
        known = [x for x in (self.prior, self.learned) if x is not None]
        return sum(known) if known else None


def values_of(agent: SizingAgent, context: SizingContext) -> list[Value]:
    """Value of each action of the agent's preset; all unknown for an agent without values."""
    if isinstance(agent, CounterfactualAgent):
        return _of_table(agent, context)
    if isinstance(agent, QLearningAgent):
        return _of_classic(agent, context)
    if isinstance(agent, EvKelly):
        return _of_ev_kelly(agent, context)
    return [Value()] * agent.preset.n


def _of_table(agent: CounterfactualAgent, context: SizingContext) -> list[Value]:
    s, state = agent.settings, context.state
    k1, k2, k3 = s.shrink_k
    scores = agent.scores(context)
    lines = _lines(context, s.ev_z, s.prior == "ev_line")
    rows = ((0, state), (1, state // _CELLS_PER_PAIR), (2, state // (_CELLS_PER_PAIR * 5)))
    out: list[Value] = []
    for a, action in enumerate(agent.preset.actions):
        raw = tuple(float(agent.raw[level, row, a]) for level, row in rows)
        n1, n2, n3 = (float(agent.eff[level, row, a]) for level, row in rows)
        m1, m2, m3 = (float(agent.mean[level, row, a]) for level, row in rows)
        if action.size == 0.0:
            out.append(Value(float(scores[a]), 0.0, 0.0, 0.0, 0.0))
            continue
        f, line = float(context.notional_frac[a]), lines[int(action.exit)]
        sd = _deviation(agent, context, a, line)
        learned = shrunk_score(n1, n2, n3, m1, m2, m3, k1, k2, k3, 0.0, 0.0, 0.0)
        doubt = None
        if sd >= 0.0:
            doubt = -shrunk_score(n1, n2, n3, 0.0, 0.0, 0.0, k1, k2, k3, sd, s.lcb_z, 0.0)
        prior = prior_on(f, line) if line.known else None
        kelly = _kelly(f, line, s.kelly_fraction) if line.known else None
        out.append(Value(float(scores[a]), prior, learned, kelly, doubt, raw, (n1, n2, n3)))
    return out


def _of_classic(agent: QLearningAgent, context: SizingContext) -> list[Value]:
    values = agent.values(context.state)
    shown = np.where(context.mask, values, -np.inf).tolist()
    visits = agent.visits[context.state].tolist()
    return [
        Value(q, learned=float(v), visits=(n,))
        for q, v, n in zip(shown, values.tolist(), visits, strict=True)
    ]


def _of_ev_kelly(agent: EvKelly, context: SizingContext) -> list[Value]:
    scores = agent.scores(context)
    lines = _lines(context, agent.settings.ev_z, True)
    out: list[Value] = []
    for a, action in enumerate(agent.preset.actions):
        f, line = float(context.notional_frac[a]), lines[int(action.exit)]
        if action.size == 0.0:
            out.append(Value(float(scores[a]), 0.0, None, 0.0))
        elif line.known:
            kelly = _kelly(f, line, agent.settings.kelly_fraction)
            out.append(Value(float(scores[a]), prior_on(f, line), None, kelly))
        else:
            out.append(Value(float(scores[a])))
    return out


def _lines(context: SizingContext, ev_z: float, use: bool) -> list[Line]:
    return [
        line_of(
            context.slopes, e, context.ev, context.round_trip, context.atr_frac, ev_z, use
        )
        for e in range(3)
    ]  # fmt: skip


def _kelly(f: float, line: Line, fraction: float) -> float:
    """What the utility of fractional Kelly takes off besides the growth's own square."""
    return (1.0 / fraction - 1.0) * f * f * line.mean_square * 0.5


def _deviation(agent: CounterfactualAgent, context: SizingContext, a: int, line: Line) -> float:
    """Deviation the caution is measured in; below 0 where nothing is known of it."""
    regime = context.state // (_CELLS_PER_PAIR * 5)
    if agent.raw[2, regime, a] >= MIN_ROWS:
        return spread(float(agent.mean[2, regime, a]), float(agent.msq[2, regime, a]))
    if agent.all_raw[a] >= MIN_ROWS:
        return spread(float(agent.all_mean[a]), float(agent.all_msq[a]))
    if not line.known:
        return -1.0
    return float(context.notional_frac[a]) * float(np.sqrt(line.mean_square))
