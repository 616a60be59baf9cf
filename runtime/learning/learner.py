"""Everything that learns: the sizing agent, the reinforcement manager, advisers; each row once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from agents.outcomes import TradeOutcome, paper_outcome
from agents.protocol import SizingAgent
from agents.reinforcement.manager import ReinforcementManager
from envs.core.errors import FixInput
from envs.core.trade import ClosedTrade, ResolvedDecision, ResolvedLabel, Skipped

_log = logging.getLogger(__name__)


class LearnsTrades(Protocol):
    """An adviser that learns closed trades (``agents.adviser.Adviser``, ``KellyCap``)."""

    name: str

    def learn_one(self, row: ResolvedDecision | ClosedTrade | TradeOutcome) -> bool:
        """Learn one closed trade, real or on paper, once."""
        ...


class Learner:
    """Hands every resolved decision and label to whoever learns from it.

    A row that a learner refuses is logged and counted in ``refused``; the others learn it all the
    same, and nothing stops.

    Args:
        agent: learns every row; ``manager`` and ``advisers`` the closed trades, in order of exit.
        from_trades: the manager learns the account's own trades (``RL_WEIGHT_SOURCE=executed``).
        enabled: False: nobody learns anything.
    """

    def __init__(
        self, agent: SizingAgent, manager: ReinforcementManager,
        advisers: Sequence[LearnsTrades] = (), *, from_trades: bool = True, enabled: bool = True,
    ) -> None:  # fmt: skip
        self.agent, self.manager, self.advisers = agent, manager, tuple(advisers)
        self.enabled = enabled
        self.refused = 0
        self.learned = 0
        self._from_trades = from_trades
        self._on_paper: dict[str, int] = {}

    def learn(self, resolved: Sequence[ResolvedDecision], now_ns: int) -> None:
        """Learn rows that became known at the close ``now_ns``, in their order."""
        if not self.enabled:
            return
        for r in resolved:
            self._give(self.agent.name, self.agent.learn_one, r)
        self.learned += len(resolved)
        trades = [(r.outcome, r) for r in resolved if isinstance(r.outcome, ClosedTrade)]
        for trade, r in sorted(trades, key=lambda x: (x[0].exit_ns, x[0].symbol)):
            if self._from_trades and not trade.truncated:
                self._give("weights", self.manager.learn_one, self._in_turn(r, trade))
            for adviser in self.advisers:
                self._give(adviser.name, adviser.learn_one, r)
        if self.advisers:
            for r in resolved:
                self._learn_on_paper(r, now_ns)

    def learn_labels(self, labels: Sequence[ResolvedLabel]) -> None:
        """Let the manager learn the labels of one close as one update."""
        if self.enabled and labels:
            self._give("labels", self.manager.learn_labels, labels)

    def state(self) -> dict[str, int]:
        """Which symbols' signals were followed on paper, and until when (ns)."""
        return dict(self._on_paper)

    def restore(self, state: dict[str, int]) -> None:
        """Continue from ``state``."""
        self._on_paper = {symbol: int(until) for symbol, until in state.items()}

    def _in_turn(self, r: ResolvedDecision, trade: ClosedTrade) -> ResolvedDecision:
        """The row with a time the manager takes: one that was told late is learned at its turn.

        The manager learns in order of time; a fill that a deaf stream withheld may close a trade
        after a later one was learned, and no trade may be lost to learning for that.
        """
        last_ns = self.manager.last_trade_ns
        known = r.decision.decision_id in self.manager.signals
        if known or trade.exit_ns >= last_ns:
            return r
        return replace(r, outcome=replace(trade, exit_ns=last_ns))

    def _learn_on_paper(self, r: ResolvedDecision, now_ns: int) -> None:
        """Tell the advisers what an order would have earned that was cut to nothing.

        One at a time by symbol, as positions are held.
        """
        decision, earned = r.decision, r.alternatives
        if not isinstance(r.outcome, Skipped) or earned is None:
            return
        if decision.bar_close_ns < self._on_paper.get(decision.symbol, -1):
            return
        paper = paper_outcome(decision, earned, self.agent.preset, now_ns)
        if paper is None:
            return
        self._on_paper[decision.symbol] = now_ns
        for adviser in self.advisers:
            self._give(adviser.name, adviser.learn_one, paper)

    def _give(self, name: str, learn: object, row: object) -> None:
        try:
            learn(row)  # type: ignore[operator]
        except FixInput as error:
            self.refused += 1
            _log.warning("%s did not learn a row: %s", name, error)
