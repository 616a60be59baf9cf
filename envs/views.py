"""Views of the environment: sizes only (Discrete), table states (Discrete(300))."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from envs.core.errors import InvalidAction
from envs.core.rules.state import N_STATES
from envs.trading import TradingEnv


class SizingView(gym.Wrapper[Any, Any, Any, Any]):
    """Discrete sizes: the direction comes from the signal, the action is a preset index.

    Wraps a ``TradingEnv`` with ``candidates="signals"``; one step is one executable candidate.
    """

    def __init__(self, env: TradingEnv) -> None:
        super().__init__(env)
        self._base = env
        self._trading = {index: k for k, index in enumerate(env.trading_actions)}
        self.action_space = gym.spaces.Discrete(env.preset.n)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Size the present candidate.

        Raises:
            InvalidAction: The action is not an index of the preset.
        """
        value = np.asarray(action)
        if value.shape != () or value.dtype.kind not in "iu":
            raise InvalidAction(
                f"action must be one integer below {self._base.preset.n}: {action!r}"
            )
        index = int(value)
        if not 0 <= index < self._base.preset.n:
            raise InvalidAction(
                f"action must be one integer below {self._base.preset.n}: {action!r}"
            )
        view = self._base.view
        if index not in self._trading or view is None:
            return self._base.step(np.array([0, 0]))
        direction = 1 if view.side > 0 else 2
        return self._base.step(np.array([direction, self._trading[index]]))

    def action_masks(self) -> Any:
        """Mask (A,) of the present decision, True = allowed."""
        return self._base.action_masks()

    def counterfactuals(self) -> Any:
        """Outcome of every action of the present decision."""
        return self._base.counterfactuals()


class TabularView(gym.ObservationWrapper[Any, Any, Any]):
    """Observation = index of the 300 sizing states; pays the step reward."""

    def __init__(self, env: SizingView) -> None:
        super().__init__(env)
        self._base = env.unwrapped
        self.observation_space = gym.spaces.Discrete(N_STATES)

    def observation(self, observation: Any) -> Any:
        """State index of the present decision; 0 after the end of an episode."""
        base = self._base
        view = base.view if isinstance(base, TradingEnv) else None
        return np.int64(0 if view is None else view.context.state)
