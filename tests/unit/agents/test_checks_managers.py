"""The suites of managers and advisers find one broken rule each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.adviser import Adviser
from agents.checks import FailedCheck, check_adviser, check_manager
from agents.outcomes import outcome_of
from agents.reinforcement import persistence
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ReinforcementSettings
from agents.symbol_performance import SymbolPerformanceManager
from envs.artifact import content_digest
from envs.core.errors import FixInput
from envs.core.hooks import Effect, HookPoint, Keep, Raise, Scale
from envs.core.trade import ClosedTrade, ResolvedDecision, ResolvedLabel
from envs.core.types import BoolArray, Float64Array
from envs.core.view import DecisionView

SCHEMA = (persistence.SCHEMA_NAME, persistence.SCHEMA_VERSION)


class Manager(ReinforcementManager):
    """A sound manager whose subclasses break one rule each."""

    def __init__(self) -> None:
        super().__init__(ReinforcementSettings(algorithm="aa"), 8)


class LearnsLabelsTwice(Manager):
    def learn_labels(self, labels: Sequence[ResolvedLabel]) -> None:
        super().learn_labels(labels)
        self.raw_reward += 1.0


class RestoresHalf(Manager):
    def restore(self, path: Path) -> None:
        super().restore(path)
        self.raw_reward = 0.0


class LearnsNothing(Manager):
    def learn_labels(self, labels: Sequence[ResolvedLabel]) -> None:
        pass

    def learn_one(self, resolved: ResolvedDecision) -> Any:
        pass


class CountsForecasts(Manager):
    def predict(
        self, p_up: Float64Array, p_down: Float64Array
    ) -> tuple[float, float, Float64Array]:
        self.raw_reward += 1.0
        return super().predict(p_up, p_down)


class WeighsTheAbsent(Manager):
    def weights_of(self, valid: BoolArray) -> Float64Array:
        return np.full(4, 0.25)


class WeighsDouble(Manager):
    def weights_of(self, valid: BoolArray) -> Float64Array:
        return 2.0 * super().weights_of(valid)


class IsCertain(Manager):
    def predict(
        self, p_up: Float64Array, p_down: Float64Array
    ) -> tuple[float, float, Float64Array]:
        up, down, weights = super().predict(p_up, p_down)
        return 1.5 * up + 1.0, down, weights


class IgnoresBadLabels(Manager):
    def learn_labels(self, labels: Sequence[ResolvedLabel]) -> None:
        try:
            super().learn_labels(labels)
        except FixInput:
            return


class LearnsAnyTime(Manager):
    def learn_one(self, resolved: ResolvedDecision) -> Any:
        if isinstance(resolved.outcome, ClosedTrade) and resolved.outcome.exit_ns < 0:
            self.last_trade_ns = -10
        return super().learn_one(resolved)


class FallsOver(Manager):
    def learn_one(self, resolved: ResolvedDecision) -> Any:
        if isinstance(resolved.outcome, ClosedTrade):
            resolved.decision.votes_up[0] / 1.0
        return super().learn_one(resolved)


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (LearnsLabelsTwice, "learned a row twice"),
        (RestoresHalf, "another digest after restoring"),
        (LearnsNothing, "learns nothing"),
        (CountsForecasts, "forecasting changed"),
        (WeighsTheAbsent, "did not vote"),
        (WeighsDouble, "no distribution"),
        (IsCertain, "forecasts "),
        (IgnoresBadLabels, "does not refuse a label without votes"),
        (LearnsAnyTime, "does not refuse a trade out of order"),
        (FallsOver, "fails on a trade without votes with IndexError"),
    ],
)
def test_a_broken_manager_is_found(
    broken: Callable[[], Manager], found: str, tmp_path: Path
) -> None:
    with pytest.raises(FailedCheck, match=found):
        check_manager(broken, tmp_path, SCHEMA)


class Performance(SymbolPerformanceManager):
    """A sound adviser whose subclasses break one rule each."""


class LearnsTwice(Performance):
    def learn_one(self, row: Any) -> bool:
        self._learned.clear()
        return super().learn_one(row)


class ForgetsIds(Performance):
    def load_state_dict(self, state: Any) -> None:
        super().load_state_dict(state)
        self._learned.clear()


class ForgetsIdsUnseen(ForgetsIds):
    def digest(self) -> str:
        return content_digest(self.state_dict()[0])


class ForgetsIdsAndOrder(ForgetsIdsUnseen):
    def _last_ns(self, outcome: Any) -> int:
        return -1


class CountsAnswers(Performance):
    def answer(self, point: HookPoint, view: DecisionView) -> Effect:
        self._records[f"asked {len(self._records)}"] = self._at("X", 0)
        return super().answer(point, view)


class Alternates(Performance):
    flip = False

    def answer(self, point: HookPoint, view: DecisionView) -> Effect:
        if point is not HookPoint.POSITION_SIZING:
            return Keep()
        self.flip = not self.flip
        return Scale(0.5) if self.flip else Scale(1.0)


class AnswersElsewhere(Performance):
    def answer(self, point: HookPoint, view: DecisionView) -> Effect:
        return Raise(0.1)


class AnswersNaN(Performance):
    def answer(self, point: HookPoint, view: DecisionView) -> Effect:
        return Raise(float("nan")) if point is HookPoint.CONFIDENCE_ADJUSTMENT else Keep()


class ShutsOutForEver(Performance):
    def answer(self, point: HookPoint, view: DecisionView) -> Effect:
        effect = super().answer(point, view)
        lost = self._records.get(view.symbol)
        ever = lost is not None and lost.streak >= 10
        return Scale(0.0) if ever and isinstance(effect, Scale) else effect


class LosesTheStreak(Performance):
    def load_state_dict(self, state: Any) -> None:
        super().load_state_dict(state)
        self._records = {s: replace(r, streak=0) for s, r in self._records.items()}


class LearnsInAnyOrder(Performance):
    def _last_ns(self, outcome: Any) -> int:
        return -1


class SwallowsNaN(Performance):
    def learn_one(self, row: Any) -> bool:
        outcome = outcome_of(row)
        if outcome is not None and outcome.net_r != outcome.net_r:
            return False
        return super().learn_one(row)


class IgnoresSome(Performance):
    def learn_one(self, row: Any) -> bool:
        return row.trade_id != "check:5" and super().learn_one(row)


class FillsIn(Performance):
    def load_state_dict(self, state: Any) -> None:
        super().load_state_dict(({"symbols": {}, **state[0]}, state[1]))


def test_the_sound_adviser_passes() -> None:
    check_adviser(Performance)


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (LearnsTwice, "twice"),
        (ForgetsIds, "another digest after loading"),
        (ForgetsIdsUnseen, "refuses a known trade after a restart"),
        (ForgetsIdsAndOrder, "learned a trade again after a restart"),
        (CountsAnswers, "answering changed"),
        (Alternates, "answers POSITION_SIZING differently twice"),
        (AnswersElsewhere, "belongs elsewhere"),
        (AnswersNaN, r"with Raise\(delta=nan\)"),
        (ShutsOutForEver, "shuts a symbol out"),
        (LosesTheStreak, "another digest after loading"),
        (LearnsInAnyOrder, "does not refuse a trade out of order"),
        (SwallowsNaN, "does not refuse a result that is NaN"),
        (IgnoresSome, "ignores check:5"),
        (FillsIn, "accepts a state without symbols"),
    ],
)
def test_a_broken_adviser_is_found(broken: Callable[[], Adviser], found: str) -> None:
    with pytest.raises(FailedCheck, match=found):
        check_adviser(broken)
