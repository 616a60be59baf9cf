"""TensorBoard logs of a run; torch is imported only when the writer opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from agents.reinforcement.calibration import scalers_of
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from envs.core.tape import SignalTape, VoteTable
from envs.core.types import MODEL_NAMES, ExitStrategy, Float64Array
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
        add("train/trades", run.n_trades, k)
        add("train/mean_reward_bps", 1e4 * float(run.reward.mean()) if run.reward.size else 0.0, k)
        add("train/coverage", agent.coverage(), k)
        add("train/epsilon", epsilon, k)
        skip = agent.preset.skip_index
        trading = run.actions.copy()
        if skip is not None:
            trading[skip] = 0
            add("actions/skip_share", run.actions[skip] / max(1, run.actions.sum()), k)
        for kind in ExitStrategy:
            own = [i for i, a in enumerate(agent.preset.actions) if a.exit is kind]
            share = trading[own].sum() / max(1, trading.sum())
            add(f"actions/{kind.name.lower()}_share_of_trades", share, k)
        # Skip would dwarf every other bar.
        chosen = np.repeat(np.arange(trading.size), trading)
        if chosen.size:
            edges = np.arange(trading.size + 1) - 0.5
            self._writer.add_histogram("actions/trades", chosen, k, bins=edges)

    def tape(self, tape: Tape, votes: VoteTable) -> None:
        """Weights, scalers and Brier loss along the signal tape, thinned to a few hundred."""
        signals: SignalTape = tape.signals
        scalers = scalers_of(tape.pool.excess, tape.manager.settings.kappa)
        n = signals.side.shape[0]
        losses = {"pool": tape.pool.loss.mean(axis=1)}
        miss = votes.p_up - votes.y_long[:, :, None]
        miss = np.where(votes.valid & np.isfinite(miss), miss, np.nan)
        for m, name in enumerate(MODEL_NAMES):
            known = np.isfinite(miss[:, :, m]).any(axis=1)
            losses[name] = np.full(n, np.nan)
            losses[name][known] = np.nanmean(miss[known, :, m] ** 2, axis=1)
        for name, loss in losses.items():
            self._running(f"brier/{name}", loss)
        for t in range(0, n, max(1, n // _POINTS)):
            for m, name in enumerate(MODEL_NAMES):
                self._writer.add_scalar(f"weights/{name}", tape.pool.weights[t, m], t)
                self._writer.add_scalar(f"scalers/{name}", scalers[t, m], t)

    def _running(self, tag: str, loss: Float64Array) -> None:
        """Exponentially forgetting mean of a loss from a coin's 0.25 on."""
        running = 0.25
        for t in range(loss.size):
            if np.isfinite(loss[t]):
                running = 0.995 * running + 0.005 * float(loss[t])
            if t % max(1, loss.size // _POINTS) == 0:
                self._writer.add_scalar(tag, running, t)

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
