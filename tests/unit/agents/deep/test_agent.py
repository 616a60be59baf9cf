from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from agents.checkpoint import load_agent, save_agent
from agents.checks import OBSERVED, sample_context
from agents.deep.agent import Layer, NetworkAgent
from agents.settings import SizingSettings
from envs.core.actions import preset
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.trade import SizingContext

FULL = preset("full")


def layers(seed: int, *sizes: int) -> list[Layer]:
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(size=(b, a)).astype(np.float32), rng.normal(size=b).astype(np.float32))
        for a, b in pairwise(sizes)
    ]


def context(seed: int) -> SizingContext:
    return sample_context(FULL, seed % 300, np.random.default_rng(seed), seed)


@pytest.mark.parametrize(("activation", "expected"), [("relu", 11.0), ("tanh", 5 + 3 * np.tanh(2))])
def test_scores_are_those_of_the_layers(activation: str, expected: float) -> None:
    first = (np.array([[2.0]], np.float32), np.array([0.0], np.float32))
    second = (np.full((FULL.n, 1), 3.0, np.float32), np.full(FULL.n, 5.0, np.float32))
    agent = NetworkAgent(FULL, "dqn", activation, [first, second])
    assert agent.scores(np.array([1.0], np.float32)) == pytest.approx(np.full(FULL.n, expected))
    last = agent.scores(np.array([[-1.0], [1.0]], np.float32))
    assert last.shape == (2, FULL.n)
    assert last[0, 0] == pytest.approx(5.0 if activation == "relu" else 5 - 3 * np.tanh(2))


def test_masked_actions_are_never_taken_and_the_best_allowed_one_is() -> None:
    agent = NetworkAgent(FULL, "dqn", "relu", layers(1, OBSERVED, 16, FULL.n))
    changed = 0
    for seed in range(60):
        seen = context(seed)
        wish = agent.wish(seen)
        mask = seen.mask.copy()
        mask[wish] = False
        blocked = replace(seen, mask=mask)
        choice = agent.decide(blocked, None)
        scores = agent.scores(blocked.observation)  # type: ignore[arg-type]
        assert mask[choice.index]
        assert scores[choice.index] == scores[mask].max()
        changed += choice.index != agent.decide(seen, None).index
    assert changed > 20


def test_ppo_draws_by_the_masked_probabilities_and_dqn_does_not_draw() -> None:
    seen = context(3)
    ppo = NetworkAgent(FULL, "ppo", "tanh", layers(2, OBSERVED, 4, FULL.n))
    rng = np.random.default_rng(0)
    choices = [ppo.decide(seen, rng) for _ in range(3_000)]
    counts = np.bincount([c.index for c in choices], minlength=FULL.n) / len(choices)
    p = choices[0].propensities
    assert not p[~seen.mask].any()
    assert np.abs(counts - p).max() < 0.04
    dqn = NetworkAgent(FULL, "dqn", "tanh", ppo.layers)
    assert {dqn.decide(seen, rng).index for _ in range(20)} == {ppo.decide(seen, None).index}


@pytest.mark.parametrize("algorithm", ["dqn", "ppo"])
def test_saved_and_loaded_it_takes_the_same_actions(tmp_path: Path, algorithm: str) -> None:
    agent = NetworkAgent(FULL, algorithm, "relu", layers(4, OBSERVED, 12, 7, FULL.n))
    path = tmp_path / "sizing.json"
    save_agent(path, agent, settings=SizingSettings())
    loaded, _ = load_agent(path)
    assert isinstance(loaded, NetworkAgent)
    assert (loaded.name, loaded.digest()) == (algorithm, agent.digest())
    for seed in range(20):
        assert loaded.decide(context(seed), None) == agent.decide(context(seed), None)


def test_a_context_without_a_fitting_observation_is_refused() -> None:
    agent = NetworkAgent(FULL, "ppo", "relu", layers(4, OBSERVED, FULL.n))
    with pytest.raises(FixInput, match=r"envs\.observe"):
        agent.decide(replace(context(0), observation=None), None)
    with pytest.raises(FixInput, match="the features differ"):
        agent.decide(replace(context(0), observation=np.zeros(OBSERVED + 1, np.float32)), None)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: NetworkAgent(FULL, "a2c"), "algorithm"),
        (lambda: NetworkAgent(FULL, "ppo", "gelu"), "activation"),
        (lambda: NetworkAgent(FULL, "ppo", "relu", layers(0, 4, 8, 75)), "75 outputs"),
        (
            lambda: NetworkAgent(FULL, "ppo", "relu", [*layers(0, 4, 8), *layers(0, 9, FULL.n)]),
            "layer 1",
        ),
        (
            lambda: NetworkAgent(FULL, "ppo", "relu", [(np.full((76, 2), np.nan), np.zeros(76))]),
            "not finite",
        ),
    ],
)
def test_networks_that_cannot_work_are_refused(made: object, words: str) -> None:
    assert callable(made)
    with pytest.raises(FixInput, match=words):
        made()


def test_the_state_of_another_algorithm_is_refused_and_changes_nothing() -> None:
    dqn = NetworkAgent(FULL, "dqn", "relu", layers(0, OBSERVED, FULL.n))
    ppo = NetworkAgent(FULL, "ppo", "relu", layers(1, OBSERVED, FULL.n))
    before = dqn.digest()
    with pytest.raises(RefusedArtifact, match="expected 'dqn', found 'ppo'"):
        dqn.load_state_dict(ppo.state_dict())
    values, arrays = dqn.state_dict()
    with pytest.raises(RefusedArtifact, match="arrays"):
        dqn.load_state_dict((values, {"w0": arrays["w0"]}))
    for key, words in (("n_layers", "n_layers"), ("activation", "activation")):
        with pytest.raises(RefusedArtifact, match=words):
            dqn.load_state_dict(({k: v for k, v in values.items() if k != key}, arrays))
    for n_layers in (-1, 1.5, "1"):
        with pytest.raises(RefusedArtifact, match="n_layers"):
            dqn.load_state_dict(({**values, "n_layers": n_layers}, arrays))
    assert dqn.digest() == before
