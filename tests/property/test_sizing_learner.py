"""What holds for the counterfactual learner whatever rows it is given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.checks import sample_context, sample_rows
from agents.learned import LearnedIds
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.table_math import prior_of, shrunk_score
from envs.core.actions import PRESETS, preset
from envs.core.trade import ResolvedDecision

FULL = preset("full")
MEANS = SizingSettings(min_step=0.0)
EXITS = np.array([int(a.exit) for a in FULL.actions])
seeds = st.integers(0, 2**32 - 1)
counts = st.floats(0.0, 1e6)
means = st.floats(-0.1, 0.1)
presets = st.sampled_from(sorted(PRESETS))


def learn(rows: list[ResolvedDecision], agent: CounterfactualAgent) -> CounterfactualAgent:
    for row in rows:
        agent.learn_one(row)
    return agent


def residuals(row: ResolvedDecision) -> np.ndarray:
    """Residuals (A,) of a row, NaN where nothing is learned; the prior written once more."""
    c, alternatives = row.decision.context, row.alternatives
    assert alternatives is not None
    b, se, q = c.slopes[EXITS].T
    f = c.notional_frac
    mu = np.maximum(0.0, b - 0.5 * se) * c.ev - c.round_trip
    g0 = f * mu - f * f * q * c.atr_frac**2 / 2
    x = alternatives.reward - np.where(np.isfinite(c.slopes[EXITS]).all(axis=1), g0, 0.0)
    return np.where(c.mask & (f != 0.0), x, np.nan)


@given(seed=seeds, n=st.integers(1, 80))
@settings(max_examples=25)
def test_tables_hold_sample_means_at_three_levels(seed: int, n: int) -> None:
    rows = list(sample_rows(FULL, n, seed))
    agent = learn(rows, CounterfactualAgent(FULL, MEANS))
    x = np.array([residuals(row) for row in rows])
    states = np.array([row.decision.context.state for row in rows])
    overlap = np.array([2, 3, 5])[EXITS]
    for level, keys in enumerate((states, states // 12, states // 60)):
        for key in np.unique(keys):
            own = x[keys == key]
            known = np.isfinite(own)
            count = known.sum(axis=0)
            np.testing.assert_array_equal(agent.raw[level, key], count)
            np.testing.assert_allclose(agent.eff[level, key], count / (1.0 + overlap), rtol=1e-12)
            total = np.where(known, own, 0.0)
            mean = total.sum(axis=0) / np.maximum(count, 1)
            square = (total**2).sum(axis=0) / np.maximum(count, 1)
            np.testing.assert_allclose(agent.mean[level, key], mean, rtol=1e-9, atol=1e-15)
            np.testing.assert_allclose(agent.msq[level, key], square, rtol=1e-9, atol=1e-18)
        elsewhere = np.setdiff1d(np.arange(300), keys)
        assert not agent.raw[level, elsewhere].any()


@given(seed=seeds, order=seeds)
@settings(max_examples=20)
def test_the_order_of_rows_does_not_matter(seed: int, order: int) -> None:
    rows = list(sample_rows(FULL, 60, seed))
    mixed = [rows[k] for k in np.random.default_rng(order).permutation(60)]
    one = learn(rows, CounterfactualAgent(FULL, MEANS))
    other = learn(mixed, CounterfactualAgent(FULL, MEANS))
    np.testing.assert_array_equal(one.raw, other.raw)
    for name in ("eff", "mean", "msq", "all_mean", "all_msq"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-14)


@given(seed=seeds, repeats=st.lists(st.integers(0, 39), max_size=60), cut=st.integers(0, 60))
@settings(max_examples=20)
def test_repeated_ids_and_restarts_change_nothing(seed: int, repeats: list[int], cut: int) -> None:
    rows = list(sample_rows(FULL, 40, seed))
    noisy = [*rows[:20], *(rows[k] for k in repeats if k < 20), *rows[20:]]
    noisy += [rows[k] for k in repeats]
    clean = learn(rows, CounterfactualAgent(FULL, SizingSettings()))
    first = learn(noisy[:cut], CounterfactualAgent(FULL, SizingSettings()))
    restarted = CounterfactualAgent(FULL, SizingSettings())
    restarted.load_state_dict(first.state_dict())
    learn(noisy[cut:], restarted)
    assert restarted.digest() == clean.digest()


@given(seed=seeds, passes=st.integers(1, 5))
@settings(max_examples=15)
def test_planned_passes_leave_the_evidence_of_one(seed: int, passes: int) -> None:
    rows = list(sample_rows(FULL, 50, seed))
    once = learn(rows, CounterfactualAgent(FULL, MEANS))
    often = CounterfactualAgent(FULL, MEANS, planned_passes=passes)
    for _ in range(passes):
        often.begin_pass()
        learn(rows, often)
    np.testing.assert_allclose(often.eff, once.eff, rtol=1e-12)
    np.testing.assert_allclose(often.mean, once.mean, rtol=1e-9, atol=1e-14)


@given(seed=seeds, name=presets, state=st.integers(0, 299), kind=st.integers(0, 20))
@settings(max_examples=60)
def test_what_is_chosen_is_allowed_and_worth_more_than_skip(
    seed: int, name: str, state: int, kind: int
) -> None:
    grid, rng = preset(name), np.random.default_rng(seed)
    agent = CounterfactualAgent(grid, SizingSettings())
    for row in sample_rows(grid, 60, seed):
        agent.learn_one(row)
    context = sample_context(grid, state, rng, kind)
    scores = agent.scores(context)
    for chance in (None, rng):
        choice = agent.decide(context, chance)
        assert context.mask[choice.index]
        assert abs(choice.propensities.sum() - 1.0) < 1e-12
        assert not choice.propensities[~context.mask].any()
    best = agent.decide(context, None).index
    assert np.isneginf(scores[~context.mask]).all()
    if grid.skip_index is None:
        assert scores[best] == scores.max()
    else:
        assert best == 0 or scores[best] == scores.max() > 0.0
        assert best != 0 or not scores.max() > 0.0


@given(n=st.tuples(counts, counts, counts), m=st.tuples(means, means, means), sd=st.floats(0, 0.1))
def test_shrinkage_stays_between_prior_and_samples(
    n: tuple[float, float, float], m: tuple[float, float, float], sd: float
) -> None:
    k = (1000.0, 100.0, 30.0)
    value = shrunk_score(*n, *m, *k, sd, 0.0, 0.0)
    slack = 1e-12
    assert min(0.0, *m) - slack <= value <= max(0.0, *m) + slack
    cautious = shrunk_score(*n, *m, *k, sd, 1.0, 0.0)
    assert cautious <= value
    # The bound costs at most what it does without any row.
    assert value - cautious <= sd * 0.1 + slack * (1.0 + abs(value))
    assert abs(shrunk_score(1e15, n[1], n[2], *m, *k, sd, 1.0, 0.0) - m[0]) < 1e-6


@given(
    f=st.floats(0.0, 5.0), b=st.floats(-5, 10), se=st.floats(0, 5), q=st.floats(0, 20),
    ev=st.floats(0, 0.05), z=st.floats(0, 3),
)  # fmt: skip
def test_the_prior_is_never_better_for_more_caution(
    f: float, b: float, se: float, q: float, ev: float, z: float
) -> None:
    rest = (ev, 0.00156, 0.02)
    free, cautious = (prior_of(f, b, se, q, *rest, x) for x in (0.0, z))
    assert cautious <= free
    if b - z * se <= 0.0:
        assert cautious <= -f * 0.00156


@given(st.lists(st.tuples(st.text(max_size=8), st.integers(0, 3)), max_size=40))
def test_learned_ids_are_a_set(identities: list[tuple[str, int]]) -> None:
    ids, loaded = LearnedIds(), LearnedIds()
    new = [ids.add(identity) for identity in identities]
    assert sum(new) == len(set(identities)) == len(ids)
    loaded.load_array(ids.to_array())
    assert all(not loaded.add(identity) for identity in identities)


@given(seed=seeds, cut=st.integers(0, 120))
@settings(max_examples=15)
def test_parts_of_a_decision_add_up_to_the_whole(seed: int, cut: int) -> None:
    """Parts may follow each other late and be repeated, and a restart may lie between them."""
    rows, rng = list(sample_rows(FULL, 30, seed)), np.random.default_rng(seed)
    whole = learn(rows, CounterfactualAgent(FULL, SizingSettings()))
    units: list[tuple[int, ResolvedDecision]] = []
    for k, row in enumerate(rows):
        assert row.alternatives is not None
        # An action is known early in all rows or in none: each cell then sees its rows in order.
        early = np.arange(76) % 3 == 0
        for part, known in enumerate((early, ~early)):
            reward = np.where(known, row.alternatives.reward, np.nan)
            alternatives = replace(row.alternatives, reward=reward)
            unit = replace(row, part=part, alternatives=alternatives)
            units.append((k + 5 * part, unit))
    units.sort(key=lambda due: due[0])
    arriving = [unit for _, unit in units]
    for k in rng.integers(0, 60, size=60).tolist():
        again = arriving[k]
        arriving.insert(arriving.index(again) + 1, again)
    parts = learn(arriving[:cut], CounterfactualAgent(FULL, SizingSettings()))
    restarted = CounterfactualAgent(FULL, SizingSettings())
    restarted.load_state_dict(parts.state_dict())
    learn(arriving[cut:], restarted)
    assert restarted.digest() == whole.digest()
