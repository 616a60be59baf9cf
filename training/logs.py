"""TensorBoard logs of a run; torch is imported only when the log opens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agents.reinforcement.calibration import scalers_of
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from envs.core.tape import SignalTape, VoteTable
from envs.core.types import MODEL_NAMES, ExitStrategy, Float64Array
from runtime.settings import Settings
from training.evaluation import Evaluation
from training.events import EventFile
from training.scores import max_drawdown
from training.simulate import PolicyRun
from training.tape import Tape

_POINTS = 400


class RunLog:
    """Scalars, histograms and texts of a run under ``folder/tensorboard``.

    Every method raises ``FixInput`` where the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import summary

        self._summary: Any = summary
        self._events = EventFile(folder / "tensorboard")

    def _scalar(self, tag: str, value: float, step: int) -> None:
        self._events.add(self._summary.scalar(tag, float(value)), step)

    def text(self, tag: str, markdown: str) -> None:
        """One page of Markdown."""
        self._events.add(self._summary.text(tag, markdown))

    def settings(
        self, values: Mapping[str, str | float | bool], figures: Mapping[str, float]
    ) -> None:
        """One line of the table of runs: settings beside what came of them."""
        for summary in self._summary.hparams(dict(values), dict(figures)):
            self._events.add(summary)
        for tag, value in figures.items():
            self._scalar(tag, value, 0)

    def episode(
        self, k: int, run: PolicyRun, agent: CounterfactualAgent | QLearningAgent, epsilon: float
    ) -> None:
        """One training pass: return, drawdown, coverage, exploration and chosen actions."""
        add = self._scalar
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
            self._events.add(self._summary.histogram("actions/trades", chosen, edges), k)
        self._events.flush()

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
                self._scalar(f"weights/{name}", tape.pool.weights[t, m], t)
                self._scalar(f"scalers/{name}", scalers[t, m], t)
        self._events.flush()

    def _running(self, tag: str, loss: Float64Array) -> None:
        """Exponentially forgetting mean of a loss, from a coin's 0.25 at the first known one."""
        running, known = 0.25, np.flatnonzero(np.isfinite(loss))
        for t in range(int(known[0]) if known.size else loss.size, loss.size):
            if np.isfinite(loss[t]):
                running = 0.995 * running + 0.005 * float(loss[t])
            if t % max(1, loss.size // _POINTS) == 0:
                self._scalar(tag, running, t)

    def held_out(self, name: str, run: PolicyRun) -> None:
        """Equity and drawdown of one policy over the held-out period."""
        tag = name.replace(" ", "_").replace(",", "")
        peak = np.maximum.accumulate(run.equity)
        for t in range(0, run.equity.size, max(1, run.equity.size // _POINTS)):
            self._scalar(f"equity/{tag}", run.equity[t], t)
            self._scalar(f"drawdown/{tag}", 1.0 - run.equity[t] / peak[t], t)

    def values(self, group: str, scalars: dict[str, float]) -> None:
        """Single numbers of a run, at step 0."""
        for name, value in scalars.items():
            self._scalar(f"{group}/{name}", value, 0)

    def close(self) -> None:
        """Flush to disk."""
        self._events.close()


def hparams(settings: Settings) -> dict[str, str | float | bool]:
    """What distinguishes a run from others in the table of runs."""
    run, sizing = settings.run, settings.sizing
    return {
        "data": "built-in" if run.is_synthetic else "files",
        "symbols": ",".join(run.symbols),
        "timeframe": run.timeframe,
        "agent": run.agent,
        "preset": sizing.preset,
        "learner": sizing.learner,
        "reward": sizing.reward,
        "weights": settings.reinforcement.algorithm,
        "entry": settings.core.entry.style.name.lower(),
        "horizon_bars": float(settings.core.signal.horizon_bars),
        "episodes": float(run.episodes),
        "seed": float(run.seed),
    }


def figures(result: Evaluation) -> dict[str, float]:
    """What came of a run, held out; the differences are the agent's minus the other policy's."""
    own = result.row("agent")
    out = {
        "held_out/mean_reward_bps": 1e4 * own.mean_reward,
        "held_out/log_growth": own.log_growth,
        "held_out/max_drawdown": own.max_drawdown,
        "held_out/trades": float(own.trades),
    }
    for name in ("fixed 1x", "fixed largest", "ev_kelly"):
        versus = result.row(name).versus
        if versus is not None:
            out[f"held_out/minus_{name.replace(' ', '_')}_bps"] = 1e4 * versus.mean
    return out
