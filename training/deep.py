"""Training of the deep-RL baselines: stable-baselines3 DQN and PPO on the vector environment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.deep.agent import ALGORITHMS, NetworkAgent
from agents.deep.settings import DeepSettings
from envs.core.errors import FixInput, FixSettings
from envs.core.trade import ResolvedDecision, SizingChoice, SizingContext
from training.deep_env import training_env
from training.deep_state import CHECKPOINT, load_model, network_of, save_model
from training.simulate import Period

ROUNDS = 10
Steps = Callable[[int], None]


@dataclass(frozen=True)
class Training:
    """What a training was: decisions, wall time of them, and how many actions were masked.

    ``resumed`` decisions were trained by an earlier process and are not in the other figures.
    """

    timesteps: int
    resumed: int
    seconds: float
    masked_share: float

    @property
    def steps_per_second(self) -> float:
        """Decisions a second, learning included."""
        return (self.timesteps - self.resumed) / self.seconds if self.seconds > 0.0 else 0.0


def train_deep(
    period: Period,
    algorithm: str,
    settings: DeepSettings,
    seed: int,
    folder: Path | None = None,
    *,
    resume: bool = False,
    config_hash: str = "",
    on_steps: Steps | None = None,
    env: Any = None,
) -> tuple[NetworkAgent, Training]:
    """Train ``dqn`` or ``ppo`` on the period and return the network as a sizing agent.

    In training a masked action is no trade; in use it is never taken. Training runs in rounds of a
    tenth of the decisions: each begins with a checkpoint in ``folder`` and with chance set anew
    from seed and round, so a stopped run resumes to the same network. The learner's scalars go to
    ``folder/tensorboard/<algorithm>``. ``env`` replaces the environments.

    Raises:
        FixData: The period has no candidate.
        FixSettings: Settings the learner cannot work with; the environments pay log growth only.
        RefusedArtifact: ``resume`` finds a checkpoint of another run, or a damaged one and no
            intact copy of the one before, from which it would go on with a warning.
    """
    import torch

    _check(algorithm, period, settings)
    env = training_env(period, settings) if env is None else env
    threads = torch.get_num_threads()
    # These networks are too small to share between threads, and one thread adds the same way
    # on every machine.
    torch.set_num_threads(1)
    try:
        model = make_model(algorithm, env, settings, seed)
        path = None if folder is None else folder / CHECKPOINT
        model.set_logger(_logger(folder, algorithm))
        _compile(env)
        if path is not None and resume and path.exists():
            load_model(path, model, algorithm, config_hash)
        done = int(model.num_timesteps)
        rounds = _rounds(settings.timesteps, seed, on_steps, _saving(path, algorithm, config_hash))
        start = time.perf_counter()
        if done < settings.timesteps:
            # An unfinished schedule is a share of the whole, so the rest is named, not the whole.
            model.learn(
                settings.timesteps - done, callback=rounds, reset_num_timesteps=False,
                log_interval=1 if algorithm == "ppo" else 50,
            )  # fmt: skip
            if path is not None:
                save_model(path, model, algorithm, config_hash, finished=True)
        seconds = time.perf_counter() - start
        model.logger.close()
    finally:
        torch.set_num_threads(threads)
    total = int(model.num_timesteps)
    masked = rounds.masked / max(1, total - done)
    return network_of(model, algorithm, period.preset), Training(total, done, seconds, masked)


def make_model(algorithm: str, env: Any, settings: DeepSettings, seed: int) -> Any:
    """A stable-baselines3 learner on the CPU with the settings' parameters.

    ``algorithm`` is ``dqn`` or ``ppo``.
    """
    from stable_baselines3 import DQN, PPO

    common: dict[str, Any] = {
        "learning_rate": settings.learning_rate, "gamma": settings.discount, "seed": _seed(seed),
        "device": "cpu", "policy_kwargs": {"net_arch": list(settings.layers)},
    }  # fmt: skip
    if algorithm == "ppo":
        whole = settings.rollout * env.num_envs
        return PPO(
            "MlpPolicy", env, n_steps=settings.rollout, batch_size=min(settings.batch, whole),
            n_epochs=settings.epochs, ent_coef=settings.entropy, clip_range=settings.clip,
            gae_lambda=settings.gae, **common,
        )  # fmt: skip
    return DQN(
        "MlpPolicy", env, buffer_size=settings.buffer, batch_size=settings.batch,
        learning_starts=settings.learning_starts, train_freq=1,
        gradient_steps=settings.updates, target_update_interval=settings.target_update,
        exploration_fraction=settings.exploration_share,
        exploration_final_eps=settings.exploration_final, **common,
    )  # fmt: skip


def _check(algorithm: str, period: Period, settings: DeepSettings) -> None:
    if algorithm not in ALGORITHMS:
        raise FixInput(f"algorithm must be one of {', '.join(ALGORITHMS)}, got {algorithm!r}")
    problems = list(settings.contradictions(algorithm, period.reward))
    if problems:
        raise FixSettings("\n".join(problems))


class WishCount:
    """Passes decisions on to a network and counts how often a mask stood in its way."""

    needs_observation = True

    def __init__(self, agent: NetworkAgent) -> None:
        self.agent, self.name, self.preset = agent, agent.name, agent.preset
        self.decided = self.masked = 0

    @property
    def share(self) -> float:
        """Share of the decisions in which the action wished for was masked."""
        return self.masked / max(1, self.decided)

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """The network's choice."""
        self.decided += 1
        self.masked += not context.mask[self.agent.wish(context)]
        return self.agent.decide(context, rng)

    def learn_one(self, resolved: ResolvedDecision) -> None:
        """Nothing."""

    def digest(self) -> str:
        """The network's."""
        return self.agent.digest()

    def state_dict(self) -> Any:
        """The network's."""
        return self.agent.state_dict()

    def load_state_dict(self, state: Any) -> None:
        """Hand on to the network."""
        self.agent.load_state_dict(state)


def _compile(env: Any) -> None:
    """Take one step, so that compiling the kernel is no part of the figures."""
    env.reset()
    env.step(np.zeros(env.num_envs, dtype=np.int64))


def _saving(path: Path | None, algorithm: str, config_hash: str) -> Callable[[Any], None]:
    def save(model: Any) -> None:
        if path is not None:
            save_model(path, model, algorithm, config_hash)

    return save


def _rounds(timesteps: int, seed: int, on_steps: Steps | None, save: Callable[[Any], None]) -> Any:
    """Callback that begins rounds, counts masked actions and reports progress."""
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.utils import set_random_seed

    class Rounds(BaseCallback):
        def __init__(self) -> None:
            super().__init__()
            self.next = -1
            self.masked = 0
            self._rollout = (0, 0)

        def _on_rollout_start(self) -> None:
            done = self.model.num_timesteps
            if self.next < 0:
                self.next = done
            if done >= self.next:
                self._begin(done)
            self._rollout = (done, self._env().masked)

        def _on_step(self) -> bool:
            return True

        def _on_rollout_end(self) -> None:
            before, masked = self._rollout
            fresh = self._env().masked - masked
            self.masked += fresh
            done = self.model.num_timesteps
            self.logger.record("trading/masked_share", fresh / max(1, done - before))
            if on_steps is not None:
                on_steps(min(done, timesteps))

        def _begin(self, done: int) -> None:
            save(self.model)
            part = max(1, timesteps // ROUNDS)
            number = done // part
            self.next = (number + 1) * part
            fresh = _seed(seed, number)
            set_random_seed(fresh)
            model: Any = self.model
            model.action_space.seed(fresh)

        def _env(self) -> Any:
            return self.model.get_env()

    return Rounds()


def _seed(*parts: int) -> int:
    """A seed of 31 bits: stable-baselines3 and torch take no sequences."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0] >> 1)


def _logger(folder: Path | None, algorithm: str) -> Any:
    from stable_baselines3.common.logger import configure

    if folder is None:
        return configure(None, [])
    return configure(str(folder / "tensorboard" / algorithm), ["tensorboard"])
