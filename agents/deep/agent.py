"""A trained policy network as a sizing agent: plain layers, evaluated with NumPy.

The network is what stable-baselines3 trained, taken out of it: weights and the name of the
activation are all a decision needs, so a bundle loads without torch and nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.protocol import AgentState
from envs.artifact import content_digest
from envs.core.actions import ActionPreset
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.trade import ResolvedDecision, SizingChoice, SizingContext, no_propensities
from envs.core.types import Float32Array, Float64Array

ALGORITHMS = ("dqn", "ppo")
ACTIVATIONS = ("relu", "tanh")
Layer = tuple[Float32Array, Float32Array]


class NetworkAgent:
    """Scores every action from the environments' observation and takes the best allowed one.

    DQN's scores are action values, PPO's are logits: with a generator PPO draws from the allowed
    actions, DQN and PPO without one take the highest score. Deciding needs
    ``context.observation``; nothing is learned from single decisions.

    Args:
        preset: the action grid.
        algorithm: ``dqn`` or ``ppo``; also the agent's name.
        activation: ``relu`` or ``tanh``, between the layers.
        layers: weights (out, in) and biases (out,) of each layer, float32; without any the agent
            is untrained and scores every action 0.

    Raises:
        FixInput: Unknown names, layers that do not fit each other or the preset, or weights that
            are not finite.
    """

    needs_observation = True

    def __init__(
        self,
        preset: ActionPreset,
        algorithm: str,
        activation: str = "tanh",
        layers: Sequence[Layer] = (),
    ) -> None:
        if algorithm not in ALGORITHMS:
            raise FixInput(f"network: algorithm must be one of {ALGORITHMS}, got {algorithm!r}")
        self.name, self.preset = algorithm, preset
        self.activation, self.layers = activation, _checked(layers, activation, preset)

    @property
    def n_inputs(self) -> int:
        """Length of the observation it was trained on, 0 untrained."""
        return int(self.layers[0][0].shape[1]) if self.layers else 0

    def scores(self, observation: Float32Array) -> Float32Array:
        """Scores (..., A) of observations (..., n_inputs); masks play no part."""
        x = observation
        if not self.layers:
            return np.zeros((*x.shape[:-1], self.preset.n), dtype=np.float32)
        for weights, bias in self.layers[:-1]:
            x = x @ weights.T + bias
            x = np.maximum(x, np.float32(0.0)) if self.activation == "relu" else np.tanh(x)
        weights, bias = self.layers[-1]
        return np.asarray(x @ weights.T + bias, dtype=np.float32)

    def wish(self, context: SizingContext) -> int:
        """Action it would take were none masked."""
        return int(np.argmax(self.scores(self._seen(context))))

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Take the best allowed action, or (PPO, given a generator) draw one.

        Raises:
            FixInput: The context brings no observation, or one of another length.
        """
        scores = self.scores(self._seen(context)).astype(np.float64)
        scores[~context.mask] = -np.inf
        if rng is None or self.name == "dqn":
            index = int(np.argmax(scores))
            return SizingChoice(index, no_propensities(self.preset.n, index))
        p = _softmax(scores)
        return SizingChoice(int(rng.choice(self.preset.n, p=p)), p)

    def learn_one(self, resolved: ResolvedDecision) -> None:
        """Nothing: the network was trained as a whole."""

    def digest(self) -> str:
        """SHA-256 of the weights and what they mean."""
        return content_digest(*self.state_dict())

    def state_dict(self) -> AgentState:
        """Names, and the arrays ``w0``, ``b0``, ``w1`` and so on."""
        values: dict[str, Any] = {
            "schema": "network", "algorithm": self.name, "preset": self.preset.name,
            "activation": self.activation, "n_layers": len(self.layers),
        }  # fmt: skip
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for k, (weights, bias) in enumerate(self.layers):
            arrays[f"w{k}"], arrays[f"b{k}"] = weights.copy(), bias.copy()
        return values, arrays

    def load_state_dict(self, state: AgentState) -> None:
        """Take over weights of the same algorithm and preset.

        Raises:
            RefusedArtifact: Another algorithm or preset, something missing, or layers that do not
                fit; nothing has changed then.
        """
        values, arrays = state
        mine = self.state_dict()[0]
        for key in ("schema", "algorithm", "preset"):
            if values.get(key) != mine[key]:
                raise RefusedArtifact(
                    f"{self.name}: {key}: expected {mine[key]!r}, found {values.get(key)!r}"
                )
        n_layers, activation = values.get("n_layers"), values.get("activation")
        if not isinstance(n_layers, int) or n_layers < 0:
            raise RefusedArtifact(f"{self.name}: n_layers: expected a number, found {n_layers!r}")
        names = {f"{kind}{k}" for k in range(n_layers) for kind in "wb"}
        if set(arrays) != names:
            raise RefusedArtifact(
                f"{self.name}: arrays: expected {sorted(names)}, found {sorted(arrays)}"
            )
        layers = [(arrays[f"w{k}"], arrays[f"b{k}"]) for k in range(n_layers)]
        try:
            self.layers = _checked(layers, activation, self.preset)
        except FixInput as error:
            raise RefusedArtifact(f"{self.name}: {error}") from error
        self.activation = str(activation)

    def _seen(self, context: SizingContext) -> Float32Array:
        seen = context.observation
        if seen is None:
            raise FixInput(
                f"{self.name} decides on the environments' observation: fill context.observation "
                "(envs.observe.observe)"
            )
        if self.layers and seen.shape != (self.n_inputs,):
            raise FixInput(
                f"{self.name} was trained on observations of shape {(self.n_inputs,)}, got "
                f"{seen.shape}: the features differ, train it anew"
            )
        return seen


def _softmax(scores: Float64Array) -> Float64Array:
    p = np.exp(scores - scores.max())
    return np.asarray(p / p.sum(), dtype=np.float64)


def _checked(
    layers: Sequence[Layer], activation: object, preset: ActionPreset
) -> tuple[Layer, ...]:
    if activation not in ACTIVATIONS:
        raise FixInput(f"network: activation must be one of {ACTIVATIONS}, got {activation!r}")
    made: list[Layer] = []
    width: int | None = None
    for k, (weights, bias) in enumerate(layers):
        w = np.ascontiguousarray(weights, dtype=np.float32)
        b = np.ascontiguousarray(bias, dtype=np.float32)
        if w.ndim != 2 or b.shape != w.shape[:1] or (width is not None and w.shape[1] != width):
            raise FixInput(f"network: layer {k} has shapes {w.shape} and {b.shape} after {width}")
        if not (np.isfinite(w).all() and np.isfinite(b).all()):
            raise FixInput(f"network: layer {k} holds a weight that is not finite")
        made.append((w, b))
        width = int(w.shape[0])
    if made and width != preset.n:
        raise FixInput(f"network: {width} outputs for preset {preset.name} of {preset.n} actions")
    return tuple(made)
