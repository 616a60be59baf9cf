"""Conformance suite for sizing agents: what any agent must keep to, checked on the agent itself."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from agents.checks.failed import FailedCheck, plain, refused_or_ignored, require
from agents.checks.rows import bad_rows, renamed, sample_context, sample_rows
from agents.protocol import AgentState, SizingAgent
from envs.core.actions import ActionPreset, preset
from envs.core.errors import RefusedArtifact
from envs.core.rules.state import N_STATES
from envs.core.trade import ResolvedDecision, SizingChoice, SizingContext

MakeAgent = Callable[[ActionPreset], SizingAgent]
Older = Callable[[AgentState], AgentState]
WHO = "sizing agent"
_ROWS = 60
_NEW = "check:X:new"


def check_agent(
    make: MakeAgent, preset_name: str = "full", seed: int = 0, older: Sequence[Older] = ()
) -> None:
    """Check an agent; ``make`` returns a new, untrained one for a preset, always the same.

    Deciding is pure, seeded and legal in every state, learned of or not; each decision is learned
    once, also across a restart; the state survives JSON and goes on learning as if never saved;
    states in an ``older`` form load too; the state of another preset, and one that lacks something,
    are refused. A row that cannot be learned is refused with a FixInput or ignored, changes
    nothing, and the same decision is learned once it arrives sound.

    Args:
        make: makes the agent.
        preset_name: its preset.
        seed: of the sampled rows.
        older: each turns a present state into the form an older version saved.

    Raises:
        FailedCheck: The first rule that is broken.
    """
    grid = preset(preset_name)
    rows = list(sample_rows(grid, _ROWS, seed))
    _check_shape(make(grid), grid)
    _check_learning(make, grid, rows)
    _check_decisions(make, grid, rows, seed)
    _check_every_state(make, grid, rows, seed)
    _check_bad_rows(make, grid, rows, seed)
    _check_state(make, grid, rows)
    _check_older_states(make, grid, rows, older)
    _check_other_preset(make, grid, rows)
    _check_incomplete_state(make, grid, rows)


def _check_shape(agent: SizingAgent, grid: ActionPreset) -> None:
    _require(isinstance(agent, SizingAgent), "lacks a member of the protocol SizingAgent")
    _require(bool(agent.name), "has no name")
    _require(agent.preset is grid, f"was made for preset {grid.name} but names another")


def _check_decisions(
    make: MakeAgent, grid: ActionPreset, rows: list[ResolvedDecision], seed: int
) -> None:
    agent, twin = make(grid), make(grid)
    for learned in (False, True):
        for k, row in enumerate(rows):
            context = row.decision.context
            frozen, state = copy.deepcopy(context), plain(agent.state_dict()[0], WHO)
            digest = agent.digest()
            for rng_seed in (None, seed + k):
                first = _decide(agent, context, rng_seed)
                _require_legal(first, context, grid)
                _require(_decide(agent, context, rng_seed) == first, "decides differently twice")
                _require(
                    _decide(twin, context, rng_seed) == first,
                    "decides differently from an equal agent: unseeded chance",
                )
            _require(agent.digest() == digest, "deciding changed the tables")
            _require(plain(agent.state_dict()[0], WHO) == state, "deciding changed the state")
            _require(context == frozen, "deciding changed the context")
        if not learned:
            _learn(agent, rows)
            _learn(twin, rows)
    _require(agent.digest() == twin.digest(), "equal rows gave another digest: unseeded chance")


def _check_learning(make: MakeAgent, grid: ActionPreset, rows: list[ResolvedDecision]) -> None:
    agent = make(grid)
    for row in rows:
        frozen = copy.deepcopy(row)
        agent.learn_one(row)
        once = agent.digest()
        agent.learn_one(row)
        _require(agent.digest() == once, f"learned {row.id} twice")
        _require(row == frozen, "learning changed the resolved decision")
        unresolved = replace(
            row, decision=replace(row.decision, decision_id="no", chosen=None),
            outcome=None, alternatives=None, next=None,
        )  # fmt: skip
        agent.learn_one(unresolved)
        _require(agent.digest() == once, "learned from a row without outcome and alternatives")
        agent.learn_one(replace(row, part=1, alternatives=None))
        _require(agent.digest() == once, f"learned the outcome of {row.id} again in a later part")
    restarted = make(grid)
    restarted.load_state_dict(_through_json(agent))
    _learn(restarted, rows)
    _require(restarted.digest() == agent.digest(), "learned a decision again after a restart")


def _check_every_state(
    make: MakeAgent, grid: ActionPreset, rows: list[ResolvedDecision], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    for agent in (make(grid), _taught(make(grid), rows)):
        for state in range(N_STATES):
            context = sample_context(grid, state, rng, state)
            _require_legal(_decide(agent, context, None), context, grid)


def _check_bad_rows(
    make: MakeAgent, grid: ActionPreset, rows: list[ResolvedDecision], seed: int
) -> None:
    good = renamed(next(sample_rows(grid, 1, seed + 1)), _NEW)
    for what, bad in bad_rows(grid, seed):
        agent = _taught(make(grid), rows)
        bad = renamed(bad, _NEW)
        digest, state = agent.digest(), plain(agent.state_dict()[0], WHO)
        refused_or_ignored(partial(agent.learn_one, bad), WHO, what)
        _require(agent.digest() == digest, f"learned {what}")
        _require(plain(agent.state_dict()[0], WHO) == state, f"changed its state by {what}")
        twin = _taught(make(grid), rows)
        agent.learn_one(good)
        twin.learn_one(good)
        _require(agent.digest() == twin.digest(), f"took {what} for learned")


def _check_older_states(
    make: MakeAgent, grid: ActionPreset, rows: list[ResolvedDecision], older: Sequence[Older]
) -> None:
    agent, half = make(grid), len(rows) // 2
    _learn(agent, rows[:half])
    saved = [form(_through_json(agent)) for form in older]
    _learn(agent, rows[half:])
    for k, state in enumerate(saved):
        loaded = make(grid)
        try:
            loaded.load_state_dict(state)
        except Exception as error:
            raise FailedCheck(f"{WHO} refuses the state of older form {k}: {error!r}") from error
        _learn(loaded, rows)
        same = loaded.digest() == agent.digest()
        _require(same, f"lost something of the state of older form {k}")


def _check_state(make: MakeAgent, grid: ActionPreset, rows: list[ResolvedDecision]) -> None:
    agent, half = make(grid), len(rows) // 2
    _learn(agent, rows[:half])
    loaded = make(grid)
    loaded.load_state_dict(_through_json(agent))
    _require(loaded.digest() == agent.digest(), "another digest after loading")
    _learn(agent, rows[half:])
    _learn(loaded, rows[half:])
    _require(loaded.digest() == agent.digest(), "learns differently after loading: lost state")
    for name, array in agent.state_dict()[1].items():
        finite = array.dtype.kind != "f" or bool(np.isfinite(array).all())
        _require(finite, f"array {name} holds a value that is not finite")


def _check_other_preset(make: MakeAgent, grid: ActionPreset, rows: list[ResolvedDecision]) -> None:
    other = preset("classic" if grid.name != "classic" else "full")
    agent, foreign = make(grid), make(other)
    _learn(agent, rows)
    before = agent.digest()
    try:
        agent.load_state_dict(foreign.state_dict())
    except RefusedArtifact as error:
        _require(str(error) != "", "refuses another preset without a word")
    else:
        raise FailedCheck(f"accepts the state of preset {other.name} into {grid.name}")
    _require(agent.digest() == before, "changed although it refused a state")


def _check_incomplete_state(
    make: MakeAgent, grid: ActionPreset, rows: list[ResolvedDecision]
) -> None:
    values, arrays = _through_json(_taught(make(grid), rows))
    lacking = [({k: v for k, v in values.items() if k != name}, arrays) for name in values]
    lacking += [(values, {k: v for k, v in arrays.items() if k != name}) for name in arrays]
    for state in lacking:
        agent = make(grid)
        before = agent.digest()
        missing = sorted({*values, *arrays} - {*state[0], *state[1]})[0]
        try:
            agent.load_state_dict(state)
        except RefusedArtifact:
            _require(agent.digest() == before, f"changed by a state without {missing}")
        except Exception as error:
            raise FailedCheck(
                f"{WHO} fails on a state without {missing} with {error!r}, where RefusedArtifact "
                "is due"
            ) from error
        else:
            raise FailedCheck(f"{WHO} accepts a state without {missing}")


def _learn(agent: SizingAgent, rows: list[ResolvedDecision]) -> None:
    for row in rows:
        agent.learn_one(row)


def _decide(agent: SizingAgent, context: SizingContext, seed: int | None) -> SizingChoice:
    rng = None if seed is None else np.random.default_rng(seed)
    try:
        return agent.decide(context, rng)
    except Exception as error:
        raise FailedCheck(f"cannot decide in state {context.state}: {error!r}") from error


def _require_legal(choice: SizingChoice, context: SizingContext, grid: ActionPreset) -> None:
    p = choice.propensities
    where = f"in state {context.state}"
    _require(0 <= choice.index < grid.n, f"chose action {choice.index} {where}")
    _require(bool(context.mask[choice.index]), f"chose masked action {choice.index} {where}")
    _require(p.shape == (grid.n,) and bool((p >= 0.0).all()), f"propensities malformed {where}")
    _require(abs(float(p.sum()) - 1.0) < 1e-9, f"propensities do not sum to 1 {where}")
    _require(p[choice.index] > 0.0, f"chose what its propensities exclude {where}")
    _require(not p[~context.mask].any(), f"gives masked actions a propensity {where}")


def _through_json(agent: SizingAgent) -> AgentState:
    values, arrays = agent.state_dict()
    return plain(values, WHO), {name: array.copy() for name, array in arrays.items()}


def _taught(agent: SizingAgent, rows: list[ResolvedDecision]) -> SizingAgent:
    _learn(agent, rows)
    return agent


def _require(holds: bool, what: str) -> None:
    require(holds, f"{WHO} {what}")
