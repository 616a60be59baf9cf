from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.checks import sample_rows
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.table_math import shrunk_score
from envs.core.actions import preset
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.rules.state import state_index
from envs.core.trade import Alternatives, Decision, ResolvedDecision, SizingContext
from envs.core.types import ExitStrategy

FULL = preset("full")
PLAIN = SizingSettings(prior="none")
NO_LINE = np.full((3, 3), np.nan)
LINES = np.array([[1.9, 0.5, 2.0], [2.5, 0.8, 3.0], [4.2, 1.6, 4.0]])


def context(state: int = 150, **changes: object) -> SizingContext:
    notional = np.array([0.1 * a.size * a.leverage for a in FULL.actions])
    plain = SizingContext(
        state, np.ones(76, dtype=np.bool_), notional, np.zeros(76, dtype=np.bool_), 0.002, 0.6,
        0.00156, 0.02, NO_LINE,
    )  # fmt: skip
    return replace(plain, **changes)


def resolved(
    k: int, reward: np.ndarray, seen: SizingContext, overlap: tuple[int, int, int] = (0, 0, 0)
) -> ResolvedDecision:
    decision = Decision(f"a:X:{k}", "X", k, 1, seen, None, None, 0, 1, 1, 0.0, (), (), ())
    nothing = np.zeros(76, dtype=np.int64)
    return ResolvedDecision(
        decision, None, 0.0, Alternatives(reward, nothing, nothing, np.array(overlap))
    )


def good(
    seen: SizingContext, move: float, rng: np.random.Generator, sd: float = 0.02
) -> np.ndarray:
    return seen.notional_frac * rng.normal(move, sd)


def test_without_evidence_there_is_no_trade() -> None:
    agent = CounterfactualAgent(FULL, PLAIN)
    assert agent.decide(context(), None).index == 0
    # The prior alone trades where a line promises more than the cost.
    prior = CounterfactualAgent(FULL, SizingSettings())
    assert prior.decide(context(), None).index == 0
    assert prior.decide(context(slopes=LINES, ev=0.004), None).index != 0


def test_29_rows_are_no_evidence_and_30_are() -> None:
    agent, rng = CounterfactualAgent(FULL, PLAIN), np.random.default_rng(0)
    for k in range(29):
        agent.learn_one(resolved(k, good(context(), 0.5, rng, 0.001), context()))
    assert np.isneginf(agent.scores(context())[1:]).all()
    agent.learn_one(resolved(29, good(context(), 0.5, rng, 0.001), context()))
    assert np.isfinite(agent.scores(context())).all()
    # 30 rows over all regimes serve a regime that has none.
    elsewhere = context(state_index(0, 0, 0, 0))
    assert np.isfinite(agent.scores(elsewhere)).all()


def test_the_spread_is_that_of_the_regime_from_30_rows_on() -> None:
    agent, rng = CounterfactualAgent(FULL, PLAIN), np.random.default_rng(0)
    here, wide = context(state_index(2, 2, 0, 0)), context(state_index(4, 0, 0, 0))
    for k in range(100):
        agent.learn_one(resolved(k, good(wide, 0.0, rng, 5.0), wide))
    for k in range(100, 130):
        before = agent.scores(here)[75]
        agent.learn_one(resolved(k, good(here, 0.004, rng, 1e-4), here))
    # At 29 rows the wide spread of the other regime still speaks against the trade.
    assert before < 0.0 < agent.scores(here)[75]


def test_before_any_rows_the_line_gives_the_spread() -> None:
    agent = CounterfactualAgent(FULL, SizingSettings())
    seen = context(slopes=LINES, ev=0.004)
    a, f = 75, seen.notional_frac[75]
    mu, m2 = (4.2 - 0.5 * 1.6) * 0.004 - 0.00156, 4.0 * 0.02 * 0.02
    expected = f * mu - f * f * m2 - f * m2**0.5 * (1 / 100) ** 0.5
    assert agent.scores(seen)[a] == pytest.approx(expected, rel=1e-12)
    bolder = CounterfactualAgent(FULL, SizingSettings(kelly_fraction=1.0, lcb_z=0.0))
    assert bolder.scores(seen)[a] == pytest.approx(f * mu - f * f * m2 / 2, rel=1e-12)


def test_a_clear_edge_is_traded_at_the_largest_size() -> None:
    agent, rng = CounterfactualAgent(FULL, PLAIN), np.random.default_rng(1)
    for k in range(2000):
        agent.learn_one(resolved(k, good(context(), 0.004, rng), context()))
    chosen = FULL.actions[agent.decide(context(), None).index]
    assert (chosen.size, chosen.leverage) == (1.5, 5)


def test_levels_hold_their_own_rows() -> None:
    agent = CounterfactualAgent(FULL, PLAIN)
    states = [state_index(2, 3, e, 1) for e in range(4)] + [state_index(2, 1, 0, 0)]
    for k, state in enumerate(states):
        agent.learn_one(resolved(k, np.where(np.arange(76) > 0, 0.01 * k, 0.0), context(state)))
    assert [agent.raw[0, s, 5] for s in states] == [1.0] * 5
    assert agent.raw[1, 2 * 5 + 3, 5] == 4.0
    assert agent.raw[1, 2 * 5 + 1, 5] == 1.0
    assert agent.raw[2, 2, 5] == 5.0
    assert agent.mean[1, 13, 5] == pytest.approx(0.015)
    assert agent.mean[2, 2, 5] == pytest.approx(0.02)
    assert agent.msq[2, 2, 5] == pytest.approx(np.mean([0, 1, 4, 9, 16]) * 1e-4)
    assert agent.all_raw[5] == 5.0
    assert agent.raw[:, :, 0].sum() == 0.0


def test_overlap_of_the_exit_sets_the_effective_count() -> None:
    agent = CounterfactualAgent(FULL, PLAIN, planned_passes=2)
    agent.learn_one(resolved(0, np.full(76, 0.01), context(), (0, 4, 9)))
    exits = np.array([int(a.exit) for a in FULL.actions])
    for e, u in enumerate((1.0, 1 / 5, 1 / 10)):
        ours = (exits == e) & (np.arange(76) > 0)
        assert agent.eff[0, 150, ours] == pytest.approx(u / 2)
        assert (agent.raw[0, 150, ours] == 1.0).all()


def test_two_planned_passes_leave_the_counts_of_one() -> None:
    rows = list(sample_rows(FULL, 300, 8))
    once = CounterfactualAgent(FULL, SizingSettings())
    twice = CounterfactualAgent(FULL, SizingSettings(), planned_passes=2)
    for agent, passes in ((once, 1), (twice, 2)):
        for _ in range(passes):
            agent.begin_pass()
            for row in rows:
                agent.learn_one(row)
    assert once.eff.sum() > 0.0
    np.testing.assert_allclose(twice.eff, once.eff, rtol=1e-12)
    np.testing.assert_allclose(twice.raw, 2.0 * once.raw)
    np.testing.assert_allclose(twice.mean, once.mean, atol=1e-12)


def test_masked_and_unknown_rewards_are_not_learned() -> None:
    agent = CounterfactualAgent(FULL, PLAIN)
    mask = np.ones(76, dtype=np.bool_)
    mask[7] = False
    reward = np.full(76, 0.01)
    reward[9] = np.nan
    agent.learn_one(resolved(0, reward, context(mask=mask)))
    assert (agent.raw[0, 150, [7, 9]] == 0.0).all()
    assert agent.raw[0, 150].sum() == 73.0


def test_a_second_part_adds_the_actions_that_were_open() -> None:
    agent = CounterfactualAgent(FULL, PLAIN)
    early, late = np.full(76, np.nan), np.full(76, np.nan)
    early[:40], late[40:] = 0.01, 0.02
    row = resolved(0, early, context())
    assert row.alternatives is not None
    rest = replace(row, part=1, alternatives=replace(row.alternatives, reward=late))
    for unit in (row, rest, row, rest):
        agent.learn_one(unit)
    assert (agent.raw[0, 150, 1:] == 1.0).all()


def test_an_always_clamped_action_is_updated() -> None:
    agent = CounterfactualAgent(FULL, PLAIN)
    agent.learn_one(resolved(0, np.full(76, 0.01), context(clamped=np.ones(76, dtype=np.bool_))))
    assert agent.raw[0, 150, 75] == 1.0


def test_a_masked_action_is_never_chosen() -> None:
    agent, rng = CounterfactualAgent(FULL, PLAIN), np.random.default_rng(3)
    for k in range(2000):
        agent.learn_one(resolved(k, good(context(), 0.004, rng), context()))
    best = agent.decide(context(), None).index
    mask = np.ones(76, dtype=np.bool_)
    mask[best] = False
    assert agent.decide(context(mask=mask), None).index != best
    draws = {agent.decide(context(mask=mask), rng).index for _ in range(12_000)}
    assert best not in draws
    assert len(draws) == 75


def test_scores_follow_the_specification() -> None:
    """The whole score from the tables, written once more in NumPy."""
    settings = SizingSettings()
    agent = CounterfactualAgent(FULL, settings)
    for row in sample_rows(FULL, 4000, 5):
        agent.learn_one(row)
    exits = np.array([int(a.exit) for a in FULL.actions])
    for row in sample_rows(FULL, 40, 6):
        c = row.decision.context
        s, r1, r2 = c.state, c.state // 12, c.state // 60
        b, se, q = c.slopes[exits].T
        f, line = c.notional_frac, np.isfinite(c.slopes[exits]).all(axis=1)
        mu = np.where(line, np.maximum(0.0, b - 0.5 * se) * c.ev - c.round_trip, 0.0)
        m2 = np.where(line, q * c.atr_frac**2, 0.0)
        g0 = np.where(line, f * mu - f**2 * m2 / 2, 0.0)
        sd = np.sqrt(np.maximum(0.0, agent.msq[2, r2] - agent.mean[2, r2] ** 2))
        wide = np.sqrt(np.maximum(0.0, agent.all_msq - agent.all_mean**2))
        sd = np.where(agent.raw[2, r2] >= 30, sd, np.where(agent.all_raw >= 30, wide, f * m2**0.5))
        expected = [
            shrunk_score(
                agent.eff[0, s, a], agent.eff[1, r1, a], agent.eff[2, r2, a], agent.mean[0, s, a],
                agent.mean[1, r1, a], agent.mean[2, r2, a], *settings.shrink_k, sd[a], 1.0,
                g0[a] - f[a] ** 2 * m2[a] / 2,
            )
            for a in range(76)
        ]  # fmt: skip
        expected = np.where(c.mask, np.where(f == 0.0, 0.0, expected), -np.inf)
        np.testing.assert_allclose(agent.scores(c), expected, rtol=1e-9, atol=1e-15)


def test_residuals_are_taken_against_the_prior() -> None:
    agent = CounterfactualAgent(FULL, SizingSettings())
    seen = context(slopes=LINES)
    exits = np.array([int(a.exit) for a in FULL.actions])
    mu = np.maximum(0.0, LINES[:, 0] - 0.5 * LINES[:, 1]) * 0.002 - 0.00156
    f = seen.notional_frac
    g0 = f * mu[exits] - f**2 * LINES[exits, 2] * 0.0004 / 2
    agent.learn_one(resolved(0, np.full(76, 0.01), seen))
    np.testing.assert_allclose(agent.mean[0, 150, 1:], (0.01 - g0)[1:], rtol=1e-12)


def test_old_rows_fade_only_after_the_smallest_step_is_reached() -> None:
    agent = CounterfactualAgent(FULL, SizingSettings(prior="none", min_step=0.25))
    for k, x in enumerate((1.0, 0.0, 0.0, 0.0, 0.0, 0.0)):
        agent.learn_one(resolved(k, np.full(76, x), context()))
    assert agent.mean[0, 150, 5] == pytest.approx(0.25 * 0.75 * 0.75)


def test_ties_go_to_skip_then_to_the_smaller_notional_at_risk() -> None:
    agent, rng = CounterfactualAgent(FULL, PLAIN), np.random.default_rng(4)
    for k in range(200):
        agent.learn_one(resolved(k, np.full(76, 0.01 + 1e-4 * rng.normal()), context()))
    scores = agent.scores(context())
    assert (scores[1:] == scores[1]).all()
    assert scores[1] > 0.0
    # Size .3 at 1x is the smallest notional, the conservative stop the nearest: action 1.
    assert agent.decide(context(), None).index == 1
    # .07 of equity at a stop of 1.25 ATR loses less there than .05 at 2 ATR.
    near = FULL.index_of(0.7, 1, ExitStrategy.CONSERVATIVE)
    mask = np.zeros(76, dtype=np.bool_)
    mask[[FULL.index_of(0.5, 1, ExitStrategy.AGGRESSIVE), near]] = True
    assert agent.decide(context(mask=mask), None).index == near
    negative = CounterfactualAgent(FULL, PLAIN)
    for k in range(200):
        negative.learn_one(resolved(k, np.full(76, -0.01), context()))
    assert negative.decide(context(), None).index == 0


def test_a_preset_without_skip_always_answers() -> None:
    overview = preset("overview")
    agent = CounterfactualAgent(overview, PLAIN)
    for row in sample_rows(overview, 50, 1):
        choice = agent.decide(row.decision.context, None)
        assert row.decision.context.mask[choice.index]


def test_exploration_is_uniform_with_epsilon() -> None:
    agent, rng = CounterfactualAgent(FULL, PLAIN), np.random.default_rng(6)
    choice = agent.decide(context(), rng)
    assert choice.propensities[0] == pytest.approx(0.9 + 0.1 / 76)
    assert choice.propensities[1:] == pytest.approx(0.1 / 76)
    draws = [agent.decide(context(), rng).index for _ in range(4000)]
    assert np.mean([d != 0 for d in draws]) == pytest.approx(0.1 * 75 / 76, abs=0.015)


@pytest.mark.parametrize("overlap", [(-1, 0, 0), (np.nan, 0, 0), (0, 0)])
def test_overlaps_that_are_no_counts_are_refused(overlap: tuple[float, ...]) -> None:
    agent = CounterfactualAgent(FULL, PLAIN)
    before = agent.digest()
    row = resolved(0, np.full(76, 0.01), context(), overlap)  # type: ignore[arg-type]
    with pytest.raises(FixInput, match=r"a:X:0.*overlap: expected 3 numbers of rows, found \["):
        agent.learn_one(row)
    assert agent.digest() == before


def test_a_reward_whose_square_is_infinite_is_refused() -> None:
    agent = CounterfactualAgent(FULL, PLAIN)
    agent.learn_one(resolved(0, np.full(76, 0.01), context()))
    before = agent.digest()
    with pytest.raises(FixInput, match=r"is 1e\+200.*beyond 1e\+150, not learned"):
        agent.learn_one(resolved(1, np.full(76, 1e200), context()))
    assert agent.digest() == before
    agent.learn_one(resolved(1, np.full(76, 1e150), context()))
    assert np.isfinite(agent.msq).all()


def test_what_is_not_a_number_is_not_chosen() -> None:
    agent, rng = CounterfactualAgent(FULL, SizingSettings()), np.random.default_rng(0)
    notional = context().notional_frac.copy()
    clear = context(slopes=LINES, ev=0.004)
    best = agent.decide(clear, None).index
    notional[best] = np.nan
    assert best != 0
    # One action spoilt: the others go on. All of them: no trade.
    assert agent.decide(replace(clear, notional_frac=notional), None).index not in (0, best)
    for spoilt in (replace(clear, ev=np.nan), replace(clear, atr_frac=np.nan)):
        assert agent.decide(spoilt, None).index == 0
        assert agent.decide(spoilt, rng).propensities[0] > 0.9
    overview = preset("overview")
    seen = next(sample_rows(overview, 1, 0)).decision.context
    table = CounterfactualAgent(overview, SizingSettings())
    first = int(np.flatnonzero(seen.mask)[0])
    assert table.decide(replace(seen, ev=np.nan), None).index == first


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_reward_is_refused_and_not_learned(value: float) -> None:
    agent = CounterfactualAgent(FULL, PLAIN)
    before = agent.digest()
    reward = np.full(76, 0.01)
    reward[3] = value
    with pytest.raises(FixInput, match=r"a:X:0.*0.3x1 aggressive is -?inf"):
        agent.learn_one(resolved(0, reward, context()))
    assert agent.digest() == before
    agent.learn_one(resolved(0, np.full(76, 0.01), context()))
    assert agent.digest() != before


def test_arrays_of_another_preset_and_unknown_states_are_refused() -> None:
    agent = CounterfactualAgent(FULL, PLAIN)
    classic = next(sample_rows(preset("classic"), 1, 0))
    with pytest.raises(FixInput, match=r"76 actions, the arrays have shape \(25,\)"):
        agent.learn_one(classic)
    with pytest.raises(FixInput, match=r"shape \(25,\)"):
        agent.decide(classic.decision.context, None)
    with pytest.raises(FixInput, match=r"0\.\.299, found 300"):
        agent.decide(context(300), None)
    with pytest.raises(FixInput, match=r"mask: .* 76 actions, the arrays have shape \(25,\)"):
        agent.learn_one(resolved(0, np.full(76, 0.01), context(mask=np.ones(25, dtype=np.bool_))))
    with pytest.raises(FixInput, match=r"slopes: expected shape \(3, 3\), found \(2, 3\)"):
        agent.decide(context(slopes=np.ones((2, 3))), None)
    with pytest.raises(FixInput, match="at least 1, found 0"):
        CounterfactualAgent(FULL, PLAIN, 0)


def test_a_state_of_another_kind_or_shape_is_refused() -> None:
    agent = CounterfactualAgent(FULL, PLAIN)
    values, arrays = CounterfactualAgent(preset("classic"), PLAIN).state_dict()
    with pytest.raises(RefusedArtifact, match=r"\(3, 300, 76\).*\(3, 300, 25\) \(preset classic\)"):
        agent.load_state_dict((values, arrays))
    with pytest.raises(RefusedArtifact, match="found 'q-table'"):
        agent.load_state_dict(({**values, "schema": "q-table"}, arrays))
    own_values, own = agent.state_dict()
    with pytest.raises(RefusedArtifact, match="lacks eff"):
        agent.load_state_dict((own_values, {k: v for k, v in own.items() if k != "eff"}))
    fewer = {k: v for k, v in own_values.items() if k != "planned_passes"}
    with pytest.raises(RefusedArtifact, match="lacks learned, planned_passes"):
        agent.load_state_dict((fewer, {k: v for k, v in own.items() if k != "learned"}))
    with pytest.raises(RefusedArtifact, match="preset full, found 'classic'"):
        agent.load_state_dict(({**own_values, "preset": "classic"}, own))


@pytest.mark.parametrize(
    ("name", "bad", "found"),
    [
        ("planned_passes", "x", "planned_passes: expected a whole number from 1 on, found 'x'"),
        ("planned_passes", 0, "from 1 on, found 0"),
        ("last_update_ns", 1.5, "last_update_ns: expected a whole number from 0 on, found 1.5"),
    ],
)
def test_a_refused_state_changes_nothing(name: str, bad: object, found: str) -> None:
    agent = CounterfactualAgent(FULL, PLAIN)
    before = agent.digest()
    values, arrays = agent.state_dict()
    with pytest.raises(RefusedArtifact, match=found):
        agent.load_state_dict(({**values, name: bad}, {**arrays, "mean": arrays["mean"] + 1.0}))
    with pytest.raises(RefusedArtifact, match="table mean holds a value that is not finite"):
        agent.load_state_dict((values, {**arrays, "mean": arrays["mean"] + np.nan}))
    assert agent.digest() == before


def test_digest_and_coverage_follow_what_was_learned() -> None:
    agent, other = CounterfactualAgent(FULL, PLAIN), CounterfactualAgent(FULL, PLAIN)
    assert agent.digest() == other.digest()
    assert agent.coverage() == 0.0
    agent.learn_one(resolved(0, np.full(76, 0.01), context()))
    assert agent.digest() != other.digest()
    assert agent.coverage() == pytest.approx(75 / 22_800)


def test_the_time_of_the_last_update_is_kept() -> None:
    agent, loaded = CounterfactualAgent(FULL, PLAIN), CounterfactualAgent(FULL, PLAIN)
    for k in (5, 3):
        agent.learn_one(resolved(k, np.full(76, 0.01), context()))
    loaded.load_state_dict(agent.state_dict())
    assert agent.last_update_ns == loaded.last_update_ns == 5
