"""What the account's own trades would have made of the weights, beside the reference account's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.reinforcement.algorithms import EXPONENTIAL
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.rewards import TradeResult
from envs.core.market_data import MarketData
from envs.core.rules.rounding import from_units
from envs.core.tape import VoteTable
from envs.core.trade import ClosedTrade
from envs.core.types import MODEL_NAMES
from training.tape import Tape


def executed_weights(
    market: MarketData, votes: VoteTable, tape: Tape, trades: Sequence[ClosedTrade]
) -> dict[str, Any] | None:
    """Final weights by trade source, for the exponential family; None for the others.

    ``executed`` come from the closed trades of an account that traded the tape, learned in order
    of exit. The tape itself stays that of the reference account, so this is the difference the
    source makes to the weights, not what other weights would have made of the candidates.
    """
    if tape.signals.algorithm not in EXPONENTIAL:
        return None
    manager = ReinforcementManager(tape.manager.settings, votes.horizon_bars)
    for trade in sorted(trades, key=lambda t: (t.exit_ns, t.symbol)):
        if not trade.truncated:
            _learn(manager, market, votes, trade)
    reference = tape.manager.weights
    gap = [abs(a - b) for a, b in zip(manager.weights, reference, strict=True)]
    return {
        "reference": dict(zip(MODEL_NAMES, reference, strict=True)),
        "executed": dict(zip(MODEL_NAMES, manager.weights, strict=True)),
        "reference_trades": tape.manager.trades,
        "executed_trades": manager.trades,
        "largest_difference": max(gap),
    }


def _learn(
    manager: ReinforcementManager, market: MarketData, votes: VoteTable, trade: ClosedTrade
) -> None:
    row = int(np.searchsorted(market.close_ns, int(trade.decision_id.rsplit(":", 1)[1])))
    s = market.symbols.index(trade.symbol)
    sides = votes.sides_at(row, s)
    stated = np.where(np.asarray(sides) >= 0, votes.p_up[row, s], votes.p_down[row, s])
    result = TradeResult(
        trade.symbol, int(market.sizing_regime[row, s]), from_units(trade.net_units),
        from_units(trade.notional_units), trade.r_net, trade.exit_ns,
    )  # fmt: skip
    manager.learn_trade(
        trade.decision_id, result, [side * trade.side for side in sides], stated.tolist()
    )
