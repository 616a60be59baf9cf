"""The registered environments: Gymnasium's checker, and the vector against stacked singles (25)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from training.games.sheet import Sheet

_N, _STEPS, _BARS = 3, 60, 400


def play_faces(sheet: Sheet) -> None:
    """Row 25: complaints of ``check_env``, and the largest difference of a vector's step."""
    import gymnasium
    from gymnasium.utils.env_checker import check_env

    from envs.registration import IDS, register

    register()
    for name in sorted(IDS):
        said = name.partition("/")[2]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            check_env(gymnasium.make(name, episode_bars=_BARS).unwrapped, skip_render_check=True)
        own = [w for w in caught if issubclass(w.category, UserWarning)]
        sheet.near(25, f"{said}: warnings of check_env", float(len(own)), 0.0, 0.0)
        options: dict[str, Any] = {"episode_bars": _BARS}
        if "Weights" not in name:
            options["random_start"] = True
        vector = gymnasium.make_vec(name, num_envs=_N, **options)
        singles = [gymnasium.make(name, **options) for _ in range(_N)]
        away, steps = _difference(vector, singles)
        sheet.near(25, f"{said}: vector less stacked singles", away, 0.0, 0.0)
        sheet.at_least(25, f"{said}: steps compared", float(steps), 60.0)


def _difference(vector: Any, singles: list[Any]) -> tuple[float, int]:
    """Largest difference of observations, rewards and ends until each single's first end."""
    rng = np.random.default_rng(25)
    vector.action_space.seed(25)
    seen, _ = vector.reset(seed=25)
    worst, steps = 0.0, 0
    running = set(range(_N))
    for i, env in enumerate(singles):
        worst = max(worst, _away(seen[i], env.reset(seed=25 + i)[0]))
    for _ in range(_STEPS):
        actions = vector.action_space.sample()
        if np.issubdtype(actions.dtype, np.floating):
            actions = rng.random(actions.shape).astype(actions.dtype)
        seen, rewards, terminated, truncated, _ = vector.step(actions)
        for i in sorted(running):
            observation, reward, died, cut, _ = singles[i].step(actions[i])
            worst = max(worst, _away(seen[i], observation), abs(float(rewards[i]) - float(reward)))
            worst = max(worst, float((died, cut) != (bool(terminated[i]), bool(truncated[i]))))
            steps += 1
            if died or cut:
                running.discard(i)
    return worst, steps


def _away(a: Any, b: Any) -> float:
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return float(np.abs(difference).max(initial=0.0))
