"""Stable-Baselines3 face of the vector environment."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import numba
import numpy as np
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from envs.core.errors import FixInput, RefusedArtifact
from envs.kernel.state import REASONS
from envs.vector import TradingVectorEnv

_MASKED = REASONS.index("MASKED")
_RECORDS = ("accounts", "slots")
_PLANNED = ("first", "last", "allowed", "states")
_DRAWN = ("seeds", "episode")


class TradingVecEnv(VecEnv):
    """Present a ``TradingVectorEnv`` to stable-baselines3, one batch a step.

    The wrapped environment must reset in the same step (``autoreset="same_step"``), as
    stable-baselines3 expects; ``infos[i]["terminal_observation"]``, ``["TimeLimit.truncated"]``,
    ``["equity"]`` and ``["episode"]`` (return, length and seconds) appear at an end only.
    Observations are valid until the next but one step; stable-baselines3 copies what it keeps.

    Args:
        env: the environments.
        reward_scale: factor on the rewards handed out; ``["episode"]["r"]`` keeps the unscaled.
        threads: threads of the kernel, None for all. A learner on the same cores is slowed more
            by threads that wait for each other than a batch of a few hundred gains from them.

    ``masked`` counts the actions since the last reset that the mask turned into no trade.

    Raises:
        FixInput: The environment resets in the next step, or the threads are out of range.
    """

    def __init__(
        self, env: TradingVectorEnv, reward_scale: float = 1.0, threads: int | None = 1
    ) -> None:
        if not env.same_step:
            raise FixInput("TradingVecEnv needs TradingVectorEnv(autoreset='same_step')")
        if not (np.isfinite(reward_scale) and reward_scale > 0.0):
            raise FixInput(f"reward_scale must be a positive number, got {reward_scale}")
        known: Any = numba.config
        most = int(known.NUMBA_NUM_THREADS)
        if threads is not None and not 1 <= threads <= most:
            raise FixInput(f"threads must lie in 1 to {most}, got {threads}")
        self.env = env
        self.masked = 0
        self._threads = most if threads is None else threads
        self._scale = np.float32(reward_scale)
        self._actions: Any = None
        self._began = time.perf_counter()
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, dtype=np.int64)
        self._empty: list[dict[str, Any]] = [{} for _ in range(env.num_envs)]
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Any:
        """Begin every episode; seeds and options given before are used once.

        Raises:
            FixInput: Options that differ between the environments.
        """
        seeds = self._seeds if any(s is not None for s in self._seeds) else None
        options = self._options[0] if self._options else None
        if any(o != options for o in self._options):
            raise FixInput("set_options: the environments take one dictionary for all of them")
        observation, _ = self.env.reset(seed=seeds, options=options or None)
        self._returns[:], self._lengths[:], self.masked = 0.0, 0, 0
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: Any) -> None:
        """Keep the actions for ``step_wait``."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, Any, Any, list[dict[str, Any]]]:
        """Step all; rewards (n,) float32, dones (n,), and a dictionary each."""
        observation, reward, terminated, truncated, infos = self._step()
        self._returns += reward
        self._lengths += 1
        done = terminated | truncated
        out = self._empty
        if bool(done.any()):
            out = list(out)
            last = infos["final_info"]
            for e in np.flatnonzero(done).tolist():
                out[e] = self._ended(e, bool(truncated[e] and not terminated[e]), infos)
            self._returns[done], self._lengths[done] = 0.0, 0
        else:
            last = infos
        self.masked += int(np.count_nonzero(last["reason"] == _MASKED))
        return observation, reward.astype(np.float32) * self._scale, done, out

    def _step(self) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        before = numba.get_num_threads()
        if before == self._threads:
            return self.env.step(self._actions)
        numba.set_num_threads(self._threads)
        try:
            return self.env.step(self._actions)
        finally:
            numba.set_num_threads(before)

    def _ended(self, e: int, truncated: bool, infos: dict[str, Any]) -> dict[str, Any]:
        seconds = round(time.perf_counter() - self._began, 6)
        return {
            "terminal_observation": infos["final_obs"][e],
            "TimeLimit.truncated": truncated,
            "equity": float(infos["final_info"]["equity"][e]),
            "episode": {
                "r": float(self._returns[e]), "l": int(self._lengths[e]), "t": seconds,
            },
        }  # fmt: skip

    def get_state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Where every environment stands: values for JSON and plain arrays, for a checkpoint."""
        env = self.env
        arrays: dict[str, Any] = {name: getattr(env.batch, name).copy() for name in _PLANNED}
        arrays.update({name: getattr(env, f"_{name}").copy() for name in _DRAWN})
        for name in _RECORDS:
            arrays[name] = getattr(env, name).view(np.uint8).reshape(self.num_envs, -1).copy()
        arrays["observation"] = env.batch.observations[env._turn].copy()
        arrays["returns"], arrays["lengths"] = self._returns.copy(), self._lengths.copy()
        return {"layout": _layout(env)}, arrays

    def set_state(self, values: dict[str, Any], arrays: dict[str, Any]) -> Any:
        """Stand where ``get_state`` stood, on the same market; return the present observation.

        Raises:
            RefusedArtifact: The state is of other environments, or of another version's.
        """
        env = self.env
        _, mine = self.get_state()
        shapes = {k: a.shape for k, a in arrays.items()}
        if values.get("layout") != _layout(env) or shapes != {k: a.shape for k, a in mine.items()}:
            raise RefusedArtifact(
                f"state of environments: expected {self.num_envs} of this version's, found another "
                "number, other features or another version: train anew"
            )
        for name in _PLANNED:
            getattr(env.batch, name)[:] = arrays[name]
        for name in _DRAWN:
            getattr(env, f"_{name}")[:] = arrays[name]
        for name in _RECORDS:
            getattr(env, name).view(np.uint8).reshape(self.num_envs, -1)[:] = arrays[name]
        env.batch.observations[env._turn][:] = arrays["observation"]
        env._started = True
        self._returns[:], self._lengths[:] = arrays["returns"], arrays["lengths"]
        return env.batch.observations[env._turn]

    def action_masks(self) -> Any:
        """Masks (n, A) of the present decisions, True = allowed."""
        return self.env.action_masks()

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
        """Call a method once and hand out its row for each environment asked.

        Raises:
            FixInput: The method answers with no row for each environment.
        """
        rows = getattr(self.env, method_name)(*args, **kwargs)
        if not hasattr(rows, "__len__") or len(rows) != self.num_envs:
            raise FixInput(
                f"env_method({method_name!r}): only methods with a row for each environment, such "
                "as action_masks, can be called through this face; call the others on .env"
            )
        return [rows[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No environment wears a wrapper."""
        return [False for _ in self._get_indices(indices)]

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed environment i with ``seed + i`` at the next reset."""
        return super().seed(seed)

    def _get_indices(self, indices: int | Iterable[int] | None) -> Iterable[int]:
        return super()._get_indices(indices)


def _layout(env: TradingVectorEnv) -> str:
    records = [(name, str(getattr(env, name).dtype)) for name in _RECORDS]
    return f"{env.view} {records} {env.market.symbols} {env.market.n_bars}"
