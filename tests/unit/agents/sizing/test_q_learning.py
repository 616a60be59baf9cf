from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.checks import sample_rows
from agents.settings import SizingSettings
from agents.sizing.q_learning import QLearningAgent, step_size
from envs.core.actions import preset
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.trade import Decision, NextState, ResolvedDecision, SizingContext, Skipped
from envs.core.types import ExitStrategy

GRID = preset("classic")
DEFAULTS = SizingSettings()
ALL = np.ones(25, dtype=np.bool_)


def context(state: int = 10, mask: np.ndarray = ALL) -> SizingContext:
    notional = np.array([0.1 * a.size * a.leverage for a in GRID.actions])
    return SizingContext(
        state, mask, notional, ~ALL, 0.002, 0.6, 0.00156, 0.02, np.full((3, 3), np.nan)
    )


def unit(
    k: int, action: int, reward: float, following: NextState | None = None, state: int = 10,
    mask: np.ndarray = ALL,
) -> ResolvedDecision:  # fmt: skip
    decision = Decision(
        f"a:X:{k}", "X", k, 1, context(state, mask), action, None, 0, 1, 1, 0.0, (), (), ()
    )
    return ResolvedDecision(decision, Skipped("TEST"), reward, None, following)


def end(state: int = 0) -> NextState:
    return NextState(state, ALL, True)


def test_row_44_first_update() -> None:
    agent = QLearningAgent(GRID, DEFAULTS)
    agent.learn_one(unit(0, 7, 0.018, end()))
    assert agent.q[10, 7] == pytest.approx(0.0027, rel=1e-12)
    assert np.count_nonzero(agent.q) == 1
    assert step_size(SizingSettings(step="visit"), 2.0) == pytest.approx(0.586417, abs=5e-7)
    assert step_size(SizingSettings(step="visit"), 1e9) == 0.01
    assert step_size(DEFAULTS, 1e9) == 0.15


def test_visit_steps_count_the_cell() -> None:
    agent = QLearningAgent(GRID, SizingSettings(step="visit"))
    agent.learn_one(unit(0, 7, 0.5, end()))
    assert agent.q[10, 7] == 0.5
    agent.learn_one(unit(1, 7, 1.0, end()))
    assert agent.q[10, 7] == pytest.approx(0.5 + 0.586417 * 0.5, rel=1e-6)


def test_the_mean_square_of_errors_starts_at_the_first_one() -> None:
    agent = QLearningAgent(GRID, DEFAULTS)
    agent.learn_one(unit(0, 7, 0.4, end()))
    assert agent.square[10, 7] == pytest.approx(0.16)
    agent.learn_one(unit(1, 7, 0.06, end()))
    # Q is .06 by now: no error, and half of the first square is left.
    assert agent.square[10, 7] == pytest.approx(0.08)


def test_a_truncated_end_bootstraps_and_a_terminal_one_does_not() -> None:
    mask = ALL.copy()
    mask[3] = False
    for terminal, expected in ((False, 0.15 * (0.01 + 0.95 * 2.0)), (True, 0.15 * 0.01)):
        agent = QLearningAgent(GRID, DEFAULTS)
        agent.q[20, 3], agent.q[20, 4] = 9.0, 2.0
        agent.learn_one(unit(0, 7, 0.01, NextState(20, mask, terminal)))
        assert agent.q[10, 7] == pytest.approx(expected)


def test_expected_sarsa_takes_the_expectation_under_epsilon() -> None:
    agent = QLearningAgent(GRID, SizingSettings(algorithm="expected_sarsa", epsilon=0.2))
    mask = np.zeros(25, dtype=np.bool_)
    mask[[1, 2, 3]] = True
    agent.q[20, [1, 2, 3, 4]] = (1.0, 2.0, 6.0, 100.0)
    agent.learn_one(unit(0, 7, 0.0, NextState(20, mask, False)))
    assert agent.q[10, 7] == pytest.approx(0.15 * 0.95 * (0.2 * 3.0 + 0.8 * 6.0))


def test_double_q_values_the_choice_of_one_table_by_the_other() -> None:
    agent = QLearningAgent(GRID, SizingSettings(algorithm="double"), seed=1)
    agent.q[20, 5], agent.q2[20, 5] = 8.0, 1.0
    agent.q[20, 6], agent.q2[20, 6] = 0.5, 3.0
    for k in range(40):
        first, second = agent.q[10, 7], agent.q2[10, 7]
        agent.learn_one(unit(k, 7, 0.0, NextState(20, ALL, False)))
        moved = [agent.q[10, 7] - first, agent.q2[10, 7] - second]
        assert np.count_nonzero(moved) == 1
    # Table one picks action 5, worth 1 to table two; table two picks 6, worth .5 to table one.
    assert 0.6 < agent.q[10, 7] < 0.95
    assert 0.3 < agent.q2[10, 7] < 0.475
    assert agent.values(10)[7] == pytest.approx(0.5 * (agent.q[10, 7] + agent.q2[10, 7]))


def test_optimistic_start() -> None:
    agent = QLearningAgent(GRID, SizingSettings(q0=0.5))
    agent.learn_one(unit(0, 7, 0.0, end()))
    assert agent.q[10, 7] == pytest.approx(0.425)
    assert agent.decide(context(), None).index != 7


def test_a_cold_state_takes_half_the_plan() -> None:
    full = preset("full")
    for grid in (GRID, full, preset("overview")):
        agent = QLearningAgent(grid, DEFAULTS)
        mask = np.ones(grid.n, dtype=np.bool_)
        seen = replace(context(), mask=mask, notional_frac=np.full(grid.n, 0.1))
        choice = agent.decide(seen, None)
        action = grid.actions[choice.index]
        assert choice.reason == "COLD_STATE"
        assert (action.size, action.leverage, action.exit) == (0.5, 3, ExitStrategy.BALANCED)
        # With 3x masked the plan's leverage falls to 2x.
        mask[choice.index] = False
        lower = grid.actions[agent.decide(seen, None).index]
        assert (lower.size, lower.leverage) == (0.5, 2)
    only_skip = np.zeros(76, dtype=np.bool_)
    only_skip[0] = True
    seen = replace(context(), mask=only_skip, notional_frac=np.zeros(76))
    assert QLearningAgent(full, DEFAULTS).decide(seen, None).index == 0


def test_a_tried_state_is_not_cold() -> None:
    agent = QLearningAgent(GRID, DEFAULTS)
    agent.learn_one(unit(0, 7, 0.018, end()))
    choice = agent.decide(context(), None)
    assert (choice.index, choice.reason) == (7, "")
    assert agent.decide(context(11), None).reason == "COLD_STATE"


def test_ties_go_to_skip_then_to_the_smaller_notional_at_risk() -> None:
    agent = QLearningAgent(GRID, DEFAULTS)
    agent.visits[10] = 1.0
    agent.q[10, [4, 9, 20]] = 0.5
    # .3 at 5x, .5 at 5x, 1.5 at 1x: .15, .25 and .15 of equity; the first of the least.
    assert agent.decide(context(), None).index == 4
    full = QLearningAgent(preset("full"), DEFAULTS)
    full.visits[10] = 1.0
    seen = replace(context(), mask=np.ones(76, dtype=np.bool_), notional_frac=np.full(76, 0.1))
    assert full.decide(seen, None).index == 0


def test_rows_that_were_not_executed_teach_nothing() -> None:
    agent = QLearningAgent(GRID, DEFAULTS)
    before = agent.digest()
    row = unit(0, 7, 0.018, end())
    agent.learn_one(replace(row, decision=replace(row.decision, chosen=None)))
    agent.learn_one(replace(row, outcome=None))
    assert agent.digest() == before
    agent.learn_one(row)
    assert agent.digest() != before


@pytest.mark.parametrize("reward", [np.nan, np.inf, -np.inf])
def test_a_reward_that_is_not_finite_is_refused(reward: float) -> None:
    agent = QLearningAgent(GRID, DEFAULTS)
    before = agent.digest()
    with pytest.raises(FixInput, match=r"a:X:0.*not learned"):
        agent.learn_one(unit(0, 7, reward, end()))
    assert agent.digest() == before
    agent.learn_one(unit(0, 7, 0.018, end()))
    assert agent.visits.sum() == 1.0


def test_masked_actions_and_other_presets_are_refused() -> None:
    agent = QLearningAgent(GRID, DEFAULTS)
    mask = ALL.copy()
    mask[7] = False
    with pytest.raises(FixInput, match="action 7 was masked"):
        agent.learn_one(unit(0, 7, 0.1, end(), mask=mask))
    with pytest.raises(FixInput, match=r"25 actions, the arrays have shape \(76,\)"):
        agent.learn_one(next(sample_rows(preset("full"), 1, 0)))
    with pytest.raises(FixInput, match=r"0\.\.299, found -1"):
        agent.decide(context(-1), None)


@pytest.mark.parametrize("algorithm", ["q", "double", "expected_sarsa"])
@pytest.mark.parametrize(
    ("following", "found"),
    [
        (NextState(300, ALL, False), r"0\.\.299, found 300"),
        (NextState(-1, ALL, False), r"0\.\.299, found -1"),
        (NextState(3, ALL[:5], False), r"25 actions, the arrays have shape \(5,\)"),
    ],
)
def test_a_next_state_that_does_not_exist_is_refused(
    algorithm: str, following: NextState, found: str
) -> None:
    agent = QLearningAgent(GRID, SizingSettings(algorithm=algorithm))
    before = agent.state_dict()
    with pytest.raises(FixInput, match=found):
        agent.learn_one(unit(0, 7, 0.5, following))
    after = agent.state_dict()
    assert after[0] == before[0]
    assert all(np.array_equal(after[1][name], array) for name, array in before[1].items())


def test_a_later_part_does_not_repeat_the_executed_action() -> None:
    agent = QLearningAgent(GRID, DEFAULTS)
    agent.learn_one(unit(0, 7, 0.018, end()))
    agent.learn_one(replace(unit(0, 7, 0.018, end()), part=1))
    assert agent.visits.sum() == 1.0
    # The outcome may as well come with the second part: the first taught nothing.
    late = QLearningAgent(GRID, DEFAULTS)
    late.learn_one(replace(unit(0, 7, 0.0), outcome=None))
    late.learn_one(replace(unit(0, 7, 0.018, end()), part=1))
    assert late.q[10, 7] == pytest.approx(0.0027, rel=1e-12)


def test_a_refused_state_changes_nothing() -> None:
    agent = QLearningAgent(GRID, DEFAULTS)
    values, arrays = agent.state_dict()
    before = agent.digest()
    taught = {**arrays, "q": arrays["q"] + 1.0}
    for name, bad in (("last_update_ns", "x"), ("last_update_ns", -1), ("rng", {})):
        with pytest.raises(RefusedArtifact, match=r"last_update_ns: expected|generator"):
            agent.load_state_dict(({**values, name: bad}, taught))
    spoilt = {**arrays, "square": arrays["square"] + np.nan}
    with pytest.raises(RefusedArtifact, match="table square holds a value that is not finite"):
        agent.load_state_dict((values, spoilt))
    assert agent.digest() == before


def test_a_damaged_generator_state_is_refused() -> None:
    agent = QLearningAgent(GRID, DEFAULTS)
    agent.learn_one(unit(0, 7, 0.018, end()))
    before = agent.digest()
    values, arrays = QLearningAgent(GRID, DEFAULTS).state_dict()
    for rng in ({"bit_generator": "MT"}, {}, None):
        with pytest.raises(RefusedArtifact, match="generator"):
            agent.load_state_dict(({**values, "rng": rng}, arrays))
    with pytest.raises(RefusedArtifact, match="lacks rng"):
        agent.load_state_dict(({k: v for k, v in values.items() if k != "rng"}, arrays))
    assert agent.digest() == before


@pytest.mark.parametrize("algorithm", ["q", "double", "expected_sarsa"])
def test_learning_finds_the_better_action(algorithm: str) -> None:
    agent = QLearningAgent(GRID, SizingSettings(algorithm=algorithm, step="visit"))
    rng = np.random.default_rng(2)
    for k in range(6000):
        choice = agent.decide(context(), rng)
        reward = rng.normal(0.02 if choice.index == 17 else 0.0, 0.01)
        agent.learn_one(unit(k, choice.index, reward, end()))
    assert agent.decide(context(), None).index == 17


def test_double_q_does_not_overestimate_where_plain_q_does() -> None:
    """Every action is worth nothing; the maximum over 25 noisy values still looks good."""
    start: dict[str, float] = {}
    for algorithm in ("q", "double"):
        agent = QLearningAgent(GRID, SizingSettings(algorithm=algorithm, epsilon=1.0))
        rng = np.random.default_rng(3)
        for k in range(8000):
            action = int(rng.integers(25))
            agent.learn_one(unit(2 * k, action, float(rng.normal()), end(), state=20))
            agent.learn_one(unit(2 * k + 1, 0, 0.0, NextState(20, ALL, False)))
        start[algorithm] = float(agent.values(10)[0])
    assert start["q"] > 0.3
    assert abs(start["double"]) < 0.5 * start["q"]


def test_begin_pass_lets_ids_return() -> None:
    agent = QLearningAgent(GRID, DEFAULTS)
    row = unit(0, 7, 0.018, end())
    agent.learn_one(row)
    agent.begin_pass()
    agent.learn_one(row)
    assert agent.visits[10, 7] == 2.0
    assert agent.coverage() == pytest.approx(1 / 7500)
