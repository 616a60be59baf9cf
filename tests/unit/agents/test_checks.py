from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from agents.checks import FailedCheck, check_agent
from agents.protocol import AgentState
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from envs.core.actions import ActionPreset, preset
from envs.core.trade import ResolvedDecision, SizingChoice, SizingContext

SETTINGS = SizingSettings()


class Table(CounterfactualAgent):
    """A sound agent whose subclasses break one rule each."""

    def __init__(self, grid: ActionPreset) -> None:
        super().__init__(grid, SETTINGS)


class LearnsWhileDeciding(Table):
    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        self.mean[0, context.state, -1] += 1e-9
        return super().decide(context, rng)


class CountsInItsState(Table):
    asked = 0

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        self.asked += 1
        return super().decide(context, rng)

    def state_dict(self) -> AgentState:
        values, arrays = super().state_dict()
        return {**values, "asked": self.asked}, arrays


class Alternates(Table):
    flip = False

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        self.flip = not self.flip
        allowed = np.flatnonzero(context.mask)
        index = int(allowed[-1 if self.flip else 0])
        return SizingChoice(index, np.eye(self.preset.n)[index])


class DrawsUnseeded(Table):
    def __init__(self, grid: ActionPreset) -> None:
        super().__init__(grid)
        self.salt = int(np.random.default_rng().integers(2**32))

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        own = np.random.default_rng([self.salt, context.state])
        index = int(own.choice(np.flatnonzero(context.mask)))
        return SizingChoice(index, np.eye(self.preset.n)[index])


class IgnoresTheMask(Table):
    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        return SizingChoice(self.preset.n - 1, np.eye(self.preset.n)[-1])


class WrongPropensities(Table):
    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        choice = super().decide(context, rng)
        return SizingChoice(choice.index, np.full(self.preset.n, 1.0 / self.preset.n))


class KnowsSomeStatesOnly(Table):
    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        if context.state >= 20:
            raise KeyError(context.state)
        return super().decide(context, rng)


class LearnsTwice(Table):
    def learn_one(self, resolved: ResolvedDecision) -> None:
        self._learned.clear()
        super().learn_one(resolved)


class ForgetsIdsOnRestart(Table):
    def load_state_dict(self, state: AgentState) -> None:
        super().load_state_dict(state)
        self._learned.clear()


class RemembersTheLastIdsOnly(Table):
    def state_dict(self) -> AgentState:
        values, arrays = super().state_dict()
        return values, {**arrays, "learned": arrays["learned"][-10:]}


class SpoilsTheRow(Table):
    def learn_one(self, resolved: ResolvedDecision) -> None:
        super().learn_one(resolved)
        if resolved.alternatives is not None:
            resolved.alternatives.reward[:] = 0.0


class LearnsFromNothing(Table):
    def learn_one(self, resolved: ResolvedDecision) -> None:
        if resolved.alternatives is None:
            self.all_raw += 1.0
        super().learn_one(resolved)


class StateIsNotJson(Table):
    def state_dict(self) -> AgentState:
        values, arrays = super().state_dict()
        return {**values, "mean": float("nan")}, arrays


class TakesAnyPreset(Table):
    def load_state_dict(self, state: AgentState) -> None:
        for name, table in state[1].items():
            if name != "learned":
                setattr(self, name, table)
        self._learned.load_array(state[1]["learned"])


class LosesItsGenerator(QLearningAgent):
    def __init__(self, grid: ActionPreset) -> None:
        super().__init__(grid, SizingSettings(algorithm="double"), seed=3)

    def load_state_dict(self, state: AgentState) -> None:
        own = self._rng.bit_generator.state
        super().load_state_dict(state)
        self._rng.bit_generator.state = own


class HasNoName(Table):
    name = ""


class NamesAnotherPreset(Table):
    def __init__(self, grid: ActionPreset) -> None:
        super().__init__(grid)
        self.preset = preset("classic")


class WritesOnTheContext(Table):
    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        choice = super().decide(context, rng)
        context.notional_frac[-1] = 0.5
        return choice


class PropensitiesOfTwo(Table):
    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        choice = super().decide(context, rng)
        return SizingChoice(choice.index, 2.0 * choice.propensities)


class NegativePropensities(Table):
    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        choice = super().decide(context, rng)
        return SizingChoice(choice.index, -choice.propensities)


class ExcludesWhatItChose(Table):
    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        allowed = np.flatnonzero(context.mask)
        if allowed.size == 1:
            return super().decide(context, rng)
        return SizingChoice(int(allowed[0]), np.eye(self.preset.n)[allowed[1]])


class ChoosesBeyondThePreset(Table):
    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        return SizingChoice(self.preset.n, np.eye(self.preset.n)[0])


class KeepsNaN(Table):
    def state_dict(self) -> AgentState:
        values, arrays = super().state_dict()
        return values, {**arrays, "spare": np.array([np.nan])}


class LearnsUnseeded(Table):
    def learn_one(self, resolved: ResolvedDecision) -> None:
        new = resolved.id not in self._learned and resolved.alternatives is not None
        super().learn_one(resolved)
        if new:
            self.all_raw += 1e-12 * np.random.default_rng().random()


class RoundsWhenSaved(Table):
    def state_dict(self) -> AgentState:
        values, arrays = super().state_dict()
        return values, {**arrays, "mean": arrays["mean"].astype(np.float32).astype(np.float64)}


class LearnsEveryPart(QLearningAgent):
    """Takes the outcome of an executed action once for each part it comes with."""

    def __init__(self, grid: ActionPreset) -> None:
        super().__init__(grid, SETTINGS)

    def learn_one(self, resolved: ResolvedDecision) -> None:
        name = f"{resolved.decision.decision_id}/{resolved.part}"
        decision = replace(resolved.decision, decision_id=name)
        super().learn_one(replace(resolved, decision=decision))


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (LearnsEveryPart, r"learned the outcome of \('check:X:\d+', 0\) again in a later part"),
        (LearnsWhileDeciding, "changed the tables"),
        (CountsInItsState, "changed the state"),
        (Alternates, "differently twice"),
        (DrawsUnseeded, "unseeded chance"),
        (IgnoresTheMask, "chose masked action 75"),
        (WrongPropensities, "masked actions a propensity"),
        (KnowsSomeStatesOnly, "cannot decide in state"),
        (LearnsTwice, r"learned \('check:X:\d+', 0\) twice"),
        (ForgetsIdsOnRestart, "after a restart"),
        (RemembersTheLastIdsOnly, "after a restart"),
        (SpoilsTheRow, "changed the resolved decision"),
        (LearnsFromNothing, "without outcome and alternatives"),
        (StateIsNotJson, "not plain JSON"),
        (TakesAnyPreset, "accepts the state of preset classic into full"),
        (LosesItsGenerator, "learns differently after loading"),
        (HasNoName, "has no name"),
        (NamesAnotherPreset, "was made for preset full but names another"),
        (WritesOnTheContext, "deciding changed the context"),
        (PropensitiesOfTwo, "do not sum to 1"),
        (NegativePropensities, "propensities malformed"),
        (ExcludesWhatItChose, "chose what its propensities exclude"),
        (ChoosesBeyondThePreset, "chose action 76"),
        (KeepsNaN, "array spare holds a value that is not finite"),
        (LearnsUnseeded, "equal rows gave another digest: unseeded chance"),
        (RoundsWhenSaved, "after a restart|another digest after loading"),
    ],
)
def test_a_broken_agent_is_found(broken: Callable[..., CounterfactualAgent], found: str) -> None:
    with pytest.raises(FailedCheck, match=found):
        check_agent(broken)


def test_the_sound_agent_passes() -> None:
    check_agent(Table)


def test_an_object_without_the_protocol_is_found() -> None:
    class Nothing:
        name = "nothing"

    with pytest.raises(FailedCheck, match="lacks a member"):
        check_agent(lambda grid: Nothing())  # type: ignore[arg-type, return-value]


def test_messages_are_plain_text() -> None:
    with pytest.raises(FailedCheck) as caught:
        check_agent(IgnoresTheMask)
    assert json.dumps(str(caught.value)).startswith('"sizing agent chose')
