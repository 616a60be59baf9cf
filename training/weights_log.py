"""TensorBoard scalars of the weight algorithms over time."""

from __future__ import annotations

from collections.abc import Mapping

from agents.reinforcement.algorithms import AGGREGATING
from envs.core.types import MODEL_NAMES
from training.logs import RunLog
from training.weights_evaluation import WeightsEvaluation
from training.weights_runs import EXPERTS, WeightRun

_GAMES = ("up", "down")


class WeightsLog(RunLog):
    """Weights, posteriors, scalers and running Brier score of each pass; steps are bars."""

    def passes(self, runs: Mapping[str, WeightRun]) -> None:
        """Write all passes, thinned to a few hundred points each."""
        for name, run in runs.items():
            self._running(f"brier/{name}", run.loss.mean(axis=1))
            for k, row in enumerate(run.rows.tolist()):
                for m, model in enumerate(MODEL_NAMES):
                    self._scalar(f"weights_{name}/{model}", run.weights[row, m], row)
                    if name == "uniform":
                        self._scalar(f"scalers/{model}", run.scalers[k, m], row)
                if name in AGGREGATING:
                    self._posterior(name, run, k, row)
        self._events.flush()

    def _posterior(self, name: str, run: WeightRun, k: int, row: int) -> None:
        for g, game in enumerate(_GAMES):
            for e, expert in enumerate(EXPERTS):
                self._scalar(f"posterior_{name}_{game}/{expert}", run.posterior[k, g, e], row)


def figures(result: WeightsEvaluation) -> dict[str, float]:
    """Held-out figures of a run, for the table of runs."""
    out = {f"held_out/brier_{x.name}".replace(" ", "_"): x.brier for x in result.pooled}
    for x in result.regrets:
        out[f"held_out/regret_{x.algorithm}"] = x.held_out
    return out
