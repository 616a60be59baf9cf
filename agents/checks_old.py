"""Conformance suite for sizing agents: what any agent must keep to, checked on the agent itself."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from agents.protocol import AgentState, SizingAgent
from envs.core.actions import ActionPreset, preset
from envs.core.errors import QuantumTraderError, RefusedArtifact
from envs.core.rules.state import N_STATES
from envs.core.trade import (
    Alternatives,
    ClosedTrade,
    Decision,
    NextState,
    ResolvedDecision,
    SizingChoice,
    SizingContext,
    Skipped,
)
from envs.core.types import ExitReason

MakeAgent = Callable[[ActionPreset], SizingAgent]
_ROWS = 60
OBSERVED = 45
"""Length of the observation of a sampled context."""


class FailedCheck(QuantumTraderError):
    """An agent broke a rule of the protocol: the message says which, and where."""


def check_agent(make: MakeAgent, preset_name: str = "full", seed: int = 0) -> None:
    """Check an agent; ``make`` returns a new, untrained one for a preset, always the same.

    Deciding is pure, seeded and legal in any state; each decision is learned once, also across a
    restart; the state survives JSON and goes on learning as if never saved; the state of another
    preset is refused.

    Raises:
        FailedCheck: The first rule that is broken.
    """
    grid = preset(preset_name)
    rows = list(sample_rows(grid, _ROWS, seed))
    _check_shape(make(grid), grid)
    _check_learning(make, grid, rows)
    _check_decisions(make, grid, rows, seed)
    _check_state(make, grid, rows)
    _check_other_preset(make, grid, rows)


def sample_rows(grid: ActionPreset, n: int, seed: int) -> Iterator[ResolvedDecision]:
    """Yield resolved decisions of many states: some without lines, some nearly all masked."""
    rng = np.random.default_rng(seed)
    for k in range(n):
        context = sample_context(grid, int(rng.integers(N_STATES)), rng, k)
        reward = np.where(context.mask, context.notional_frac * rng.normal(0.002, 0.02), np.nan)
        chosen = int(rng.choice(np.flatnonzero(context.mask)))
        decision = Decision(
            f"check:X:{k}", "X", k, 1, context, chosen, None, 0, 10**12, 10**12, 0.1, (), (), ()
        )
        outcome = (
            Skipped("CHECK") if chosen == grid.skip_index else _trade(k, float(reward[chosen]))
        )
        nothing = np.zeros(grid.n, dtype=np.int64)
        alternatives = Alternatives(reward, nothing, nothing, np.array([2, 3, 5]))
        following = NextState(int(rng.integers(N_STATES)), context.mask.copy(), k % 7 == 0)
        yield ResolvedDecision(decision, outcome, float(reward[chosen]), alternatives, following)


def sample_context(
    grid: ActionPreset, state: int, rng: np.random.Generator, kind: int = 0
) -> SizingContext:
    """Build a context; every third ``kind`` lacks lines, every fifth masks nearly everything."""
    mask = rng.random(grid.n) < (0.05 if kind % 5 == 4 else 0.8)
    mask[int(rng.integers(grid.n))] = True
    skip = grid.skip_index
    sizes = np.asarray([a.size * a.leverage for a in grid.actions])
    if skip is not None:
        mask[skip] = True
    notional = np.where(mask, 0.1 * sizes, 0.0)
    slopes = np.array([[1.9, 0.5, 2.0], [2.5, 0.8, 3.0], [4.2, 1.6, 4.0]])
    if kind % 3 == 2:
        slopes = np.full((3, 3), np.nan)
    ev = float(rng.random() * 0.004)
    return SizingContext(
        state, mask, notional, np.zeros(grid.n, dtype=np.bool_), ev,
        min(1.0, ev / 0.00156), 0.00156, 0.005 + 0.03 * float(rng.random()), slopes,
        np.sin(np.arange(OBSERVED) * (1.0 + state) + kind).astype(np.float32),
    )  # fmt: skip


def _trade(k: int, growth: float) -> ClosedTrade:
    """Build a closed trade that returned ``growth`` of equity at a risk of one hundredth of it."""
    net, equity = int(growth * 10**12), 10**12
    return ClosedTrade(
        f"check:X:{k}", "X", 1, k, k + 1, 100, 98, 1, 1, 1, (), ExitReason.TARGET, equity, equity,
        net, 0, 0, 0, 0, net, equity // 100, equity, 100.0 * growth, 100.0 * growth, growth,
        0.0, 0.0,
    )  # fmt: skip


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
            frozen, state = copy.deepcopy(context), _plain(agent.state_dict()[0])
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
            _require(_plain(agent.state_dict()[0]) == state, "deciding changed the state")
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
    restarted = make(grid)
    restarted.load_state_dict(_through_json(agent))
    _learn(restarted, rows)
    _require(restarted.digest() == agent.digest(), "learned a decision again after a restart")


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
    return _plain(values), {name: array.copy() for name, array in arrays.items()}


def _plain(values: dict[str, Any]) -> Any:
    try:
        return json.loads(json.dumps(values, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise FailedCheck(f"state is not plain JSON: {error}") from error


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise FailedCheck(f"sizing agent {what}")
