"""Stable-Baselines3 face of the vector environment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from envs.core.errors import FixInput
from envs.vector import TradingVectorEnv


class TradingVecEnv(VecEnv):
    """Present a ``TradingVectorEnv`` to stable-baselines3, one batch a step.

    The wrapped environment must reset in the same step (``autoreset="same_step"``), as
    stable-baselines3 expects; ``infos[i]["terminal_observation"]`` and ``["TimeLimit.truncated"]``
    appear at an end, and ``["episode"]`` with its return and length. Observations are copied by
    stable-baselines3 before the buffers turn.
    """

    def __init__(self, env: TradingVectorEnv) -> None:
        if not env.same_step:
            raise FixInput("TradingVecEnv needs TradingVectorEnv(autoreset='same_step')")
        self.env = env
        self._actions: Any = None
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, dtype=np.int64)
        self._empty: list[dict[str, Any]] = [{} for _ in range(env.num_envs)]
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Any:
        """Begin every episode; seeds and options given before are used once."""
        seeds = self._seeds if any(s is not None for s in self._seeds) else None
        options = self._options[0] if self._options and self._options[0] else None
        observation, _ = self.env.reset(seed=seeds, options=options)
        self._returns[:], self._lengths[:] = 0.0, 0
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: Any) -> None:
        """Keep the actions for ``step_wait``."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, Any, Any, list[dict[str, Any]]]:
        """Step all; rewards (n,) float32, dones (n,), and a dictionary each."""
        observation, reward, terminated, truncated, infos = self.env.step(self._actions)
        self._returns += reward
        self._lengths += 1
        done = terminated | truncated
        out = self._empty
        if bool(done.any()):
            out = list(out)
            for e in np.flatnonzero(done).tolist():
                out[e] = self._ended(e, bool(truncated[e] and not terminated[e]), infos)
            self._returns[done], self._lengths[done] = 0.0, 0
        return observation, reward.astype(np.float32), done, out

    def _ended(self, e: int, truncated: bool, infos: dict[str, Any]) -> dict[str, Any]:
        return {
            "terminal_observation": infos["final_obs"][e],
            "TimeLimit.truncated": truncated,
            "equity": float(infos["final_info"]["equity"][e]),
            "episode": {"r": float(self._returns[e]), "l": int(self._lengths[e]), "t": 0.0},
        }

    def close(self) -> None:
        """Nothing is held."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The same shared attribute for every environment asked."""
        return [getattr(self.env, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: the environments share everything.

        Raises:
            FixInput: Always.
        """
        raise FixInput(f"set_attr({attr_name!r}): the environments share one market and settings")

    def env_method(
        self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
    ) -> list[Any]:
        """Call a method once and hand out its row for each environment asked."""
        rows = getattr(self.env, method_name)(*args, **kwargs)
        return [rows[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No environment wears a wrapper."""
        return [False for _ in self._get_indices(indices)]

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed environment i with ``seed + i`` at the next reset."""
        return super().seed(seed)

    def _get_indices(self, indices: int | Iterable[int] | None) -> Iterable[int]:
        return super()._get_indices(indices)
