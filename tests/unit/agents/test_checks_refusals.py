"""What agents must refuse: bad rows, incomplete states, states of other presets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from agents.checks import FailedCheck, check_agent
from agents.protocol import AgentState, SizingAgent
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from envs.core.actions import ActionPreset
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.trade import ResolvedDecision

SETTINGS = SizingSettings()


class Table(CounterfactualAgent):
    """A sound agent whose subclasses break one rule each."""

    def __init__(self, grid: ActionPreset) -> None:
        super().__init__(grid, SETTINGS)


class Classic(QLearningAgent):
    """Another one, that learns the executed action."""

    def __init__(self, grid: ActionPreset) -> None:
        super().__init__(grid, SETTINGS, seed=3)


class LearnsInfinity(Table):
    def learn_one(self, resolved: ResolvedDecision) -> None:
        earned = resolved.alternatives
        if earned is not None and np.isinf(earned.reward).any():
            self.all_raw += 1.0
            return
        super().learn_one(resolved)


class LearnsMaskedActions(Classic):
    def learn_one(self, resolved: ResolvedDecision) -> None:
        decision = resolved.decision
        everything = replace(decision.context, mask=np.ones_like(decision.context.mask))
        super().learn_one(replace(resolved, decision=replace(decision, context=everything)))


class LearnsNaN(Classic):
    def learn_one(self, resolved: ResolvedDecision) -> None:
        reward = resolved.reward if np.isfinite(resolved.reward) else 0.0
        super().learn_one(replace(resolved, reward=reward))


class FallsOverUnknownActions(Classic):
    def learn_one(self, resolved: ResolvedDecision) -> None:
        chosen = resolved.decision.chosen
        if chosen is not None and resolved.outcome is not None:
            self.preset.actions[chosen]
        super().learn_one(resolved)


class RefusesWithoutAWord(Table):
    def learn_one(self, resolved: ResolvedDecision) -> None:
        try:
            super().learn_one(resolved)
        except FixInput as error:
            raise FixInput from error


class CountsRefusals(Table):
    def learn_one(self, resolved: ResolvedDecision) -> None:
        try:
            super().learn_one(resolved)
        except FixInput:
            self.last_update_ns += 1
            raise


class RemembersRefusedIds(Table):
    def learn_one(self, resolved: ResolvedDecision) -> None:
        try:
            super().learn_one(resolved)
        except FixInput:
            self._learned.add(resolved.id)
            raise


class FillsInWhatIsMissing(Table):
    def load_state_dict(self, state: AgentState) -> None:
        super().load_state_dict(({"last_update_ns": 0, **state[0]}, state[1]))


class FallsOverWhatIsMissing(Table):
    def load_state_dict(self, state: AgentState) -> None:
        self.planned_passes = state[0]["planned_passes"]
        super().load_state_dict(state)


class LoadsHalfOfIt(Table):
    def load_state_dict(self, state: AgentState) -> None:
        found = state[1].get("all_raw")
        if found is not None and found.shape == self.all_raw.shape:
            self.all_raw = found.copy()
        super().load_state_dict(state)


class RefusesPresetsWithoutAWord(Table):
    def load_state_dict(self, state: AgentState) -> None:
        try:
            super().load_state_dict(state)
        except RefusedArtifact as error:
            raise RefusedArtifact from error


class LoadsBeforeItRefuses(Table):
    def load_state_dict(self, state: AgentState) -> None:
        self.all_raw = self.all_raw + 1.0
        super().load_state_dict(state)


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (LearnsInfinity, "learned infinite alternatives"),
        (LearnsMaskedActions, r"learned the masked action \d+"),
        (LearnsNaN, "learned the outcome nan"),
        (FallsOverUnknownActions, "fails on the unknown action 76 with IndexError"),
        (RefusesWithoutAWord, "refuses .* without a word"),
        (CountsRefusals, "changed its state by"),
        (RemembersRefusedIds, "took .* for learned"),
        (FillsInWhatIsMissing, "accepts a state without last_update_ns"),
        (FallsOverWhatIsMissing, "fails on a state without planned_passes with KeyError"),
        (LoadsHalfOfIt, "changed by a state without"),
        (RefusesPresetsWithoutAWord, "refuses another preset without a word"),
        (LoadsBeforeItRefuses, "changed although it refused a state"),
    ],
)
def test_an_agent_that_refuses_badly_is_found(
    broken: Callable[..., SizingAgent], found: str
) -> None:
    with pytest.raises(FailedCheck, match=found):
        check_agent(broken)


@pytest.mark.parametrize("sound", [Table, Classic])
def test_the_sound_agents_pass(sound: Callable[..., SizingAgent]) -> None:
    check_agent(sound)


class ReadsPasses(Table):
    """Reads the form in which the planned passes were called passes."""

    def load_state_dict(self, state: AgentState) -> None:
        values = dict(state[0])
        if "passes" in values:
            values["planned_passes"] = values.pop("passes")
        super().load_state_dict((values, state[1]))


class ReadsPassesAndForgets(ReadsPasses):
    def load_state_dict(self, state: AgentState) -> None:
        super().load_state_dict(state)
        if "passes" in state[0]:
            self._learned.clear()


def called_passes(state: AgentState) -> AgentState:
    values = dict(state[0])
    values["passes"] = values.pop("planned_passes")
    return values, state[1]


def test_older_states_load() -> None:
    check_agent(ReadsPasses, older=[called_passes, lambda state: state])
    with pytest.raises(FailedCheck, match=r"refuses the state of older form 0.*planned_passes"):
        check_agent(Table, older=[called_passes])
    with pytest.raises(FailedCheck, match="lost something of the state of older form 0"):
        check_agent(ReadsPassesAndForgets, older=[called_passes])
