"""Who is taught what, in which order, and what a refusal does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.baselines import fixed_1x
from agents.outcomes import TradeOutcome
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ReinforcementSettings
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from envs.core.errors import FixInput
from envs.core.settings import CoreSettings
from envs.core.trade import ClosedTrade, ResolvedDecision, ResolvedLabel, Skipped
from runtime.learning.learner import Learner
from runtime.learning.resolver import Resolver
from tests.unit.runtime.learning.learning_markets import Run, TapeSignals, period_of


class Adviser:
    """Notes what it is taught; refuses trades of one symbol."""

    name = "noting"

    def __init__(self) -> None:
        self.taught: list[Any] = []

    def learn_one(self, row: ResolvedDecision | ClosedTrade | TradeOutcome) -> bool:
        self.taught.append(row)
        return True


class Refusing(Adviser):
    """Refuses everything."""

    def learn_one(self, row: Any) -> bool:
        raise FixInput("not today")


@pytest.fixture(scope="module")
def emitted() -> list[tuple[int, ResolvedDecision]]:
    period = period_of(CoreSettings())
    signals = TapeSignals(period)
    learning = Resolver(signals, period.settings, period.preset, 0)
    run = Run(period, signals, fixed_1x(period.preset), learning)
    run.run(period.first + 300)
    return run.emitted


def learner_of(*advisers: Any, algorithm: str = "aa", **options: Any) -> Learner:
    period = period_of(CoreSettings())
    manager = ReinforcementManager(ReinforcementSettings(algorithm=algorithm), 8)
    agent = CounterfactualAgent(period.preset, SizingSettings())
    return Learner(agent, manager, advisers, **options)


def teach(learner: Learner, emitted: list[tuple[int, ResolvedDecision]]) -> None:
    rows: dict[int, list[ResolvedDecision]] = {}
    for row, r in emitted:
        rows.setdefault(row, []).append(r)
    for row, batch in rows.items():
        learner.learn(batch, row)


def test_both_agents_learn_from_closed_trades(emitted: list[tuple[int, ResolvedDecision]]) -> None:
    adviser = Adviser()
    learner = learner_of(adviser, algorithm="exponential")
    fresh = learner.agent.digest()
    teach(learner, emitted)
    closed = [r for _, r in emitted if isinstance(r.outcome, ClosedTrade)]
    assert learner.agent.digest() != fresh
    assert learner.manager.trades == len(closed) > 5
    assert learner.learned == len(emitted)
    assert learner.refused == 0
    real = [r for r in adviser.taught if isinstance(r, ResolvedDecision)]
    assert [r.id for r in real] == [
        r.id for r in sorted(closed, key=lambda r: (r.outcome.exit_ns, r.outcome.symbol))
    ]


def test_everything_is_learned_once(emitted: list[tuple[int, ResolvedDecision]]) -> None:
    learner = learner_of(algorithm="exponential")
    teach(learner, emitted)
    before = learner.agent.digest(), learner.manager.weights, learner.manager.trades
    teach(learner, emitted)
    assert (learner.agent.digest(), learner.manager.weights, learner.manager.trades) == before


def test_frozen_agents_learn_nothing(emitted: list[tuple[int, ResolvedDecision]]) -> None:
    adviser = Adviser()
    learner = learner_of(adviser, enabled=False)
    fresh = learner.agent.digest()
    teach(learner, emitted)
    label = ResolvedLabel("BTCUSDT", 1, 2, np.full(4, 0.5), np.full(4, 0.5), 1, 0)
    learner.learn_labels((label,))
    assert learner.agent.digest() == fresh
    assert learner.manager.labels.last_ns < 2
    assert (adviser.taught, learner.learned) == ([], 0)


def test_trades_of_a_reference_account_alone_move_the_weights_when_asked(
    emitted: list[tuple[int, ResolvedDecision]],
) -> None:
    learner = learner_of(from_trades=False)
    teach(learner, emitted)
    assert learner.manager.trades == 0


def test_a_refusal_stops_nobody_else(
    emitted: list[tuple[int, ResolvedDecision]], caplog: pytest.LogCaptureFixture
) -> None:
    adviser = Adviser()
    learner, alone = learner_of(Refusing(), adviser), learner_of()
    teach(learner, emitted)
    teach(alone, emitted)
    assert learner.refused == len(adviser.taught) > 0
    assert learner.agent.digest() == alone.agent.digest()
    assert "noting did not learn a row: not today" in caplog.text


def test_truncated_trades_move_no_weights(emitted: list[tuple[int, ResolvedDecision]]) -> None:
    _, r = next(x for x in emitted if isinstance(x[1].outcome, ClosedTrade))
    assert isinstance(r.outcome, ClosedTrade)
    learner = learner_of()
    learner.learn([replace(r, outcome=replace(r.outcome, truncated=True))], 1)
    assert learner.manager.trades == 0


def test_orders_cut_to_nothing_are_followed_on_paper(
    emitted: list[tuple[int, ResolvedDecision]],
) -> None:
    adviser = Adviser()
    learner = learner_of(adviser)
    period = period_of(CoreSettings())
    closed = [
        r for _, r in emitted
        if isinstance(r.outcome, ClosedTrade) and r.decision.symbol == "BTCUSDT"
        and r.alternatives is not None and np.isfinite(r.alternatives.reward[r.decision.chosen])
    ][:2]  # fmt: skip
    first, second = (replace(r, outcome=Skipped("SIZED_TO_ZERO")) for r in closed)
    learner.learn([first], first.decision.bar_close_ns + 2 * period.data.market.interval_ns)
    (paper,) = adviser.taught
    assert paper.paper
    assert paper.trade_id == first.decision.decision_id
    # While one is followed, another of its symbol is not.
    early = replace(second, decision=replace(first.decision, decision_id="sim:BTCUSDT:2"))
    learner.learn([early], first.decision.bar_close_ns + 3 * period.data.market.interval_ns)
    assert len(adviser.taught) == 1
    again = learner_of(adviser)
    again.restore(learner.state())
    again.learn([early], first.decision.bar_close_ns + 3 * period.data.market.interval_ns)
    assert len(adviser.taught) == 1
    learner.learn([second], second.decision.bar_close_ns + 1)
    assert len(adviser.taught) == 2
