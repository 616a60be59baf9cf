"""TensorBoard logs of a run; torch is imported only when the writer opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from envs.core.tape import SignalTape, VoteTable
from envs.core.types import MODEL_NAMES
from training.scores import max_drawdown
from training.simulate import PolicyRun
from training.tape import Tape

_POINTS = 400


class RunLog:
    """Scalars and histograms of training and evaluation under ``folder/tensorboard``."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def episode(
        self, k: int, run: PolicyRun, agent: CounterfactualAgent | QLearningAgent, epsilon: float
    ) -> None:
        """One training pass: return, drawdown, coverage, exploration and chosen actions."""
        add = self._writer.add_scalar
        add("train/log_growth", run.log_growth, k)
        add("train/max_drawdown", max_drawdown(run.equity), k)
        add("train/trades", len(run.trades), k)
        add("train/mean_reward_bps", 1e4 * float(run.reward.mean()) if run.reward.size else 0.0, k)
        add("train/coverage", agent.coverage(), k)
        add("train/epsilon", epsilon, k)
        chosen = np.repeat(np.arange(run.actions.size), run.actions)
        if chosen.size:
            self._writer.add_histogram("train/actions", chosen, k, bins=run.actions.size)

    def tape(self, tape: Tape, votes: VoteTable) -> None:
        """Weights, scalers and Brier loss along the signal tape, thinned to a few hundred."""
        signals: SignalTape = tape.signals
        n = signals.side.shape[0]
        loss = tape.pool.loss
        running = 0.25
        for t in range(n):
            if np.isfinite(loss[t, 0]):
                running = 0.995 * running + 0.005 * float(loss[t].mean())
            if t % max(1, n // _POINTS) == 0:
                for m, name in enumerate(MODEL_NAMES):
                    self._writer.add_scalar(f"weights/{name}", tape.pool.weights[t, m], t)
                    self._writer.add_scalar(f"scalers/{name}", signals.scalers[t, 0, m], t)
                self._writer.add_scalar("brier/pool", running, t)
        known = np.isfinite(votes.y_long)
        for m, name in enumerate(MODEL_NAMES):
            ok = known & votes.valid[:, :, m]
            if ok.any():
                miss = votes.p_up[:, :, m][ok] - votes.y_long[ok]
                self._writer.add_scalar(f"brier/{name}", float(np.mean(miss * miss)), 0)

    def held_out(self, name: str, run: PolicyRun) -> None:
        """Equity and drawdown of one policy over the held-out period."""
        tag = name.replace(" ", "_").replace(",", "")
        peak = np.maximum.accumulate(run.equity)
        for t in range(0, run.equity.size, max(1, run.equity.size // _POINTS)):
            self._writer.add_scalar(f"equity/{tag}", run.equity[t], t)
            self._writer.add_scalar(f"drawdown/{tag}", 1.0 - run.equity[t] / peak[t], t)

    def close(self) -> None:
        """Flush to disk."""
        self._writer.close()
