"""One closed trade, real or on paper, as the advisers learn it, and what is refused before that."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite, nan

import numpy as np

from envs.core.actions import ActionPreset
from envs.core.errors import FixInput
from envs.core.rules.exits import stop_atr
from envs.core.rules.rounding import from_units
from envs.core.rules.state import N_STATES, decode_state
from envs.core.trade import Alternatives, ClosedTrade, Decision, ResolvedDecision
from envs.core.types import SizingRegime

_REGIMES = frozenset(int(r) for r in SizingRegime)
MAX_R = 1e6
"""Beyond it, a risk of next to nothing was divided by: no figure to learn from."""


@dataclass(frozen=True)
class TradeOutcome:
    """What became of a trade: ``net_r`` in R, ``net_quote`` in quote, times in event ns.

    ``paper`` marks a trade that was followed and not made. The rest is known where the decision
    is: ``decided_ns`` its bar's close (-1 unknown), ``regime`` its sizing regime (-1 unknown),
    ``atr_frac`` ATR over close, ``claim`` the pooled probability the votes claimed for the traded
    side; NaN where unknown.
    """

    trade_id: str
    symbol: str
    entry_ns: int
    exit_ns: int
    net_r: float
    net_quote: float = 0.0
    paper: bool = False
    decided_ns: int = -1
    regime: int = -1
    atr_frac: float = field(default=nan)
    claim: float = field(default=nan)

    @property
    def id(self) -> tuple[str, int]:
        """Identity under which it is learned once; a paper trade never stands for a real one."""
        return (self.trade_id, int(self.paper))

    @property
    def won(self) -> bool:
        """Whether it earned anything after all costs; a trade that did not counts as a loss."""
        return self.net_r > 0.0


def outcome_of(row: ResolvedDecision | ClosedTrade | TradeOutcome) -> TradeOutcome | None:
    """Reduce a row to what advisers learn; None for one that holds no closed trade.

    Raises:
        FixInput: The trade contradicts its decision: another id, or an action the decision did not
            allow.
    """
    if isinstance(row, TradeOutcome):
        return row
    if isinstance(row, ClosedTrade):
        return _of_trade(row, row.decision_id)
    if not isinstance(row.outcome, ClosedTrade):
        return None
    trade, decision = row.outcome, row.decision
    name = f"decision {decision.decision_id}"
    if trade.decision_id != decision.decision_id or trade.symbol != decision.symbol:
        raise FixInput(f"{name}: its trade belongs to {trade.decision_id} of {trade.symbol}")
    check_executed(decision, decision.context.mask.shape[0])
    return _with_decision(_of_trade(trade, trade.decision_id), decision)


def check_executed(decision: Decision, n_actions: int) -> None:
    """Refuse an executed decision of another preset, or of an action it did not allow.

    Raises:
        FixInput: Names the decision and its action.
    """
    mask, chosen, name = decision.context.mask, decision.chosen, f"decision {decision.decision_id}"
    if mask.shape[0] != n_actions:
        raise FixInput(f"{name}: expected a preset of {n_actions} actions, found {mask.shape[0]}")
    if not 0 <= decision.context.state < N_STATES:
        raise FixInput(f"{name}: state: expected 0..{N_STATES - 1}, found {decision.context.state}")
    if chosen is None or not 0 <= chosen < n_actions or not mask[chosen]:
        raise FixInput(f"{name}: a trade of action {chosen!r}, which it did not allow")


def paper_outcome(
    decision: Decision, earned: Alternatives, grid: ActionPreset, exit_ns: int
) -> TradeOutcome | None:
    """What a decision that was not executed would have earned with its chosen action.

    ``exit_ns`` is when that became known. R is measured on the planned notional and stop. None
    where the decision chose nothing to follow: no action, skip, or a masked one.
    """
    chosen = decision.chosen
    if chosen is None or not 0 <= chosen < grid.n or int(earned.end_bar[chosen]) < 0:
        return None
    context = decision.context
    notional = from_units(decision.equity_units) * float(context.notional_frac[chosen])
    risk = notional * stop_atr(int(grid.actions[chosen].exit)) * context.atr_frac
    if not risk > 0.0:
        return None
    net = from_units(int(earned.net_units[chosen]))
    paper = TradeOutcome(
        decision.decision_id, decision.symbol, decision.bar_close_ns, exit_ns, net / risk, net, True
    )
    return _with_decision(paper, decision)


def check_outcome(o: TradeOutcome, last_ns: int) -> None:
    """Refuse an outcome that cannot be learned.

    Raises:
        FixInput: A number that is not finite, a trade that ends before it began, or one that closed
            before the last one learned; names the trade.
    """
    name = f"{'paper trade' if o.paper else 'trade'} {o.trade_id} of {o.symbol}"
    if not (o.trade_id and o.symbol):
        raise FixInput(f"{name}: a trade needs an id and a symbol")
    if not (isfinite(o.net_r) and isfinite(o.net_quote)) or abs(o.net_r) > MAX_R:
        raise FixInput(
            f"{name}: net R {o.net_r}, net {o.net_quote}: not finite or beyond {MAX_R:.0e} R"
        )
    if o.claim == o.claim and not 0.0 <= o.claim <= 1.0:
        raise FixInput(f"{name}: the claimed probability lies in [0, 1], got {o.claim}")
    if o.regime not in _REGIMES:
        raise FixInput(f"{name}: unknown sizing regime {o.regime}")
    if o.exit_ns < o.entry_ns:
        raise FixInput(f"{name}: closed at {o.exit_ns}, before its entry at {o.entry_ns}")
    if o.exit_ns < last_ns:
        raise FixInput(
            f"{name}: closed at {o.exit_ns}, but trades up to {last_ns} are learned: trades are "
            "learned in order of time"
        )


def claim_of(decision: Decision) -> float:
    """Probability of a net profit the weighted votes claimed for the traded side; NaN without."""
    stated = decision.votes_up if decision.side > 0 else decision.votes_down
    votes = np.asarray(stated, dtype=np.float64)
    weights = np.asarray(decision.weights, dtype=np.float64)
    if votes.shape != weights.shape or votes.size == 0:
        return nan
    valid = np.isfinite(votes) & np.isfinite(weights)
    total = float(weights[valid].sum())
    if not total > 0.0:
        return nan
    return min(1.0, float((votes[valid] * weights[valid]).sum() / total))


def _of_trade(trade: ClosedTrade, trade_id: str) -> TradeOutcome:
    net = from_units(trade.net_units)
    return TradeOutcome(trade_id, trade.symbol, trade.entry_ns, trade.exit_ns, trade.r_net, net)


def _with_decision(o: TradeOutcome, decision: Decision) -> TradeOutcome:
    return TradeOutcome(
        o.trade_id, o.symbol, o.entry_ns, o.exit_ns, o.net_r, o.net_quote, o.paper,
        decision.bar_close_ns, decode_state(decision.context.state)[0],
        decision.context.atr_frac, claim_of(decision),
    )  # fmt: skip
