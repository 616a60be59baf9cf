"""The compiled training pass == the plain simulator with the same agent, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.checks import sample_context
from agents.reinforcement.settings import ReinforcementSettings
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from envs.core.actions import preset
from envs.core.errors import FixInput
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.trade import SizingContext
from envs.core.types import EntryStyle, Float64Array, IntrabarRule
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings
from training.simulate import Period, Simulator
from training.table_loop import best_action
from training.table_pass import run_table_pass
from training.tape import make_tape

FIELDS = (
    "reward", "executed", "decided", "equity", "actions", "states", "row_states", "action_reward",
)  # fmt: skip
BASE = CoreSettings()
CASES: dict[str, tuple[CoreSettings, str, str, SizingSettings]] = {
    "default": (BASE, "full", "log_growth", SizingSettings()),
    "no-prior": (BASE, "full", "log_growth", SizingSettings(prior="none", lcb_z=0.2)),
    "r-multiple-classic": (BASE, "classic", "r_multiple", SizingSettings(epsilon=0.5)),
    "shaped-overview": (BASE, "overview", "shaped", SizingSettings()),
    "post-only-pessimistic": (
        replace(
            BASE,
            entry=replace(
                BASE.entry, style=EntryStyle.POST_ONLY, intrabar=IntrabarRule.PESSIMISTIC
            ),
        ),
        "full", "log_growth", SizingSettings(epsilon=0.4),
    ),
    "ladder-and-ruin": (
        replace(
            BASE, risk=replace(BASE.risk, dd_stop=0.004, max_daily_dd=0.006),
            signal=replace(BASE.signal, min_confidence=0.3), ruin_fraction=0.985,
        ),
        "overview", "log_growth", SizingSettings(epsilon=1.0),
    ),
}  # fmt: skip


def period_of(settings: CoreSettings, name: str, reward: str) -> Period:
    made = synthetic_market(SyntheticSettings(n_bars=3_000, seed=2))
    data = prepare(made.market, settings)
    tape = make_tape(
        data, made.votes, settings, ReinforcementSettings(), np.array([2_000, 2_999]),
        made.pool_line, "aa", None, made.exit_slopes,
    )  # fmt: skip
    return Period(
        data, tape.signals, made.votes, tape.candidates, settings, preset(name), 1_100, 2_900,
        reward,
    )  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_two_passes_equal_the_plain_simulator(name: str) -> None:
    settings, grid, reward, sizing = CASES[name]
    period = period_of(settings, grid, reward)
    plain, fast = (CounterfactualAgent(period.preset, sizing, 2) for _ in range(2))
    for k in range(2):
        plain.begin_pass()
        fast.begin_pass()
        rng: list[Any] = [np.random.default_rng([3, k]) for _ in range(2)]
        a = Simulator(period).run(plain, rng[0], learn=plain, alternatives=True)
        seen: list[int] = []
        b = run_table_pass(period, fast, rng[1], seen.append)
        for field in FIELDS:
            assert np.array_equal(getattr(a, field), getattr(b, field)), field
        assert (a.ruined, a.n_trades) == (b.ruined, b.n_trades)
        assert len(a.trades) == a.n_trades > 0
        assert seen == sorted(seen)
    assert plain.digest() == fast.digest()
    values, arrays = plain.state_dict()
    assert values == fast.state_dict()[0]
    for key, array in arrays.items():
        assert np.array_equal(array, fast.state_dict()[1][key]), key


@pytest.mark.parametrize("name", ["full", "overview"])
def test_the_compiled_choice_breaks_ties_as_the_agent_does(name: str) -> None:
    """Few distinct scores and sizes, so that nearly every choice is a tie."""
    grid, rng = preset(name), np.random.default_rng(8)
    drawn = np.zeros(grid.n)

    class Given(CounterfactualAgent):
        def scores(self, context: SizingContext) -> Float64Array:
            return drawn

    agent = Given(grid, SizingSettings())
    sizes = np.array([a.size for a in grid.actions])
    chosen = set()
    for state in range(300):
        context = sample_context(grid, state, rng, state)
        share = np.where(sizes > 0.0, rng.integers(1, 4, grid.n) * 0.1, 0.0)
        drawn = np.where(context.mask, rng.integers(-1, 3, grid.n) * 1.0, -np.inf)
        if state % 5 == 0:
            drawn[:] = -np.inf
        if grid.skip_index is not None:
            drawn[grid.skip_index] = 0.0
        wanted = agent.decide(replace(context, notional_frac=share), None).index
        assert best_action(drawn, context.mask, share, agent.exits, sizes) == wanted
        chosen.add(wanted)
    assert len(chosen) > 20


def test_rows_learned_before_are_refused_and_change_nothing() -> None:
    period = period_of(BASE, "classic", "log_growth")
    agent = CounterfactualAgent(period.preset, SizingSettings(), 2)
    run_table_pass(period, agent, np.random.default_rng(0))
    before = agent.digest()
    with pytest.raises(FixInput, match=r"decision \('sim:.*learned already.*begin_pass"):
        run_table_pass(period, agent, np.random.default_rng(0))
    assert agent.digest() == before
    run_table_pass(period, agent, np.random.default_rng(0), account="another")
    assert agent.digest() != before


def test_an_outcome_that_is_not_finite_is_named() -> None:
    period = period_of(BASE, "full", "log_growth")
    slopes = period.tape.slopes.copy()
    slopes[:] = [np.inf, 0.0, 1.0]
    period = replace(period, tape=replace(period.tape, slopes=slopes))
    with pytest.raises(FixInput, match=r"row \d+ of .*: reward of .* not finite, not learned"):
        run_table_pass(
            period, CounterfactualAgent(period.preset, SizingSettings(), 1),
            np.random.default_rng(0),
        )  # fmt: skip
