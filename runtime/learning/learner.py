"""Everything that learns (signatures)."""

from __future__ import annotations

from typing import Protocol

from agents.outcomes import TradeOutcome
from envs.core.trade import ClosedTrade, ResolvedDecision


class LearnsTrades(Protocol):
    """An adviser that learns closed trades and can be saved (``agents.adviser.Adviser``)."""

    name: str

    def learn_one(self, row: ResolvedDecision | ClosedTrade | TradeOutcome) -> bool: ...
