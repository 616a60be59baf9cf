"""The report of ``train_weights``: terminal tables, Markdown and JSON from one evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from rich.console import Console

from agents.reinforcement.algorithms import AGGREGATING
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.regret import Regret
from envs.core.types import MODEL_NAMES, Int64Array
from training.report import print_selection, selection_markdown
from training.scores import Interval
from training.tables import markdown_table, print_table
from training.weights_evaluation import (
    BEST_SINGLE,
    CONSTANT,
    MARGIN,
    UNIFORM,
    FamilyCheck,
    RegretRow,
    WeightsEvaluation,
)
from training.weights_runs import EXPERTS, WeightRun
from training.weights_scores import ForecastScore

_SCORE_HEAD = ("forecast", "Brier", "U", "D", "log loss", "ECE", "minus 0.5, 1e-4")
_SPLIT_HEAD = ("forecast", "reliability", "resolution", "uncertainty", "within bins")
_VERSUS_HEAD = ("forecast", "minus uniform", "minus best single")
_MODEL_HEAD = ("model", "n", "Brier", "log loss", "ECE", "minus uniform, 1e-4")
_REGRET_HEAD = (
    "algorithm", "training", "bound", "held out", "per class", "bound", "Brier per class",
)  # fmt: skip
_WEIGHT_HEAD = ("algorithm", "when", *MODEL_NAMES)
_OVERLAP = "Labels overlap, so no bound is proved but for one learner per residue class."
_VIEW_HEAD = ("algorithm", "pooled", "in the weights view")


@dataclass(frozen=True)
class _Section:
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def print_weights(
    console: Console, result: WeightsEvaluation, runs: Mapping[str, WeightRun], wanted: str
) -> None:
    """Print every table, the choice of ``auto`` and the family's check."""
    for part in _sections(result, runs):
        print_table(console, part.title, part.head, part.rows)
        for line in part.notes:
            console.print(line)
    print_selection(console, result.selection, wanted)
    console.print(family_text(result.family))


def weights_markdown(result: WeightsEvaluation, runs: Mapping[str, WeightRun], wanted: str) -> str:
    """The same in Markdown."""
    lines: list[str] = []
    for part in _sections(result, runs):
        lines += ["", f"{part.title}:", "", *markdown_table(part.head, part.rows)]
        lines += ["", *part.notes] if part.notes else []
    lines += ["", "Forecasts of the last fifth of training, which `auto` chooses by:"]
    return (
        "\n".join(lines)
        + "\n"
        + selection_markdown(result.selection, wanted)
        + (f"\n{family_text(result.family)}\n")
    )


def family_text(check: FamilyCheck) -> str:
    """One sentence on the aggregating family against each rival."""
    rivals = ", ".join(f"{name} {x:.6f}" for name, x in check.rivals.items())
    verdict = "holds" if check.holds else "FAILS"
    return (
        f"Mean held-out Brier of the aggregating family {check.brier:.6f}, to be at most each of "
        f"{rivals}, plus {MARGIN:g}: {verdict}."
    )


def weights_json(
    result: WeightsEvaluation, runs: Mapping[str, WeightRun], wanted: str
) -> dict[str, Any]:
    """Plain dictionary for metrics.json; what is not finite becomes null."""
    body = {
        "forecasts": result.forecasts,
        "best_single_in_training": result.best_single,
        "held_out": [asdict(x) for x in result.pooled],
        "models": [asdict(x) for x in result.models],
        "view_brier": dict(result.view),
        "regret": [asdict(x) for x in result.regrets],
        "aggregating_family": {
            "brier": result.family.brier, "rivals": dict(result.family.rivals), "margin": MARGIN,
            "holds": result.family.holds,
        },
        "selection": result.selection.to_json(wanted),
        "algorithms": {name: _run_json(run) for name, run in runs.items()},
    }  # fmt: skip
    return dict(_finite(body))


def path_json(runs: Mapping[str, WeightRun], close_ns: Int64Array) -> dict[str, Any]:
    """Weights, scalers and posteriors along each pass, thinned, at the closes of given bars."""
    out: dict[str, Any] = {"models": list(MODEL_NAMES), "experts": list(EXPERTS)}
    for name, run in runs.items():
        out["close_ns"] = close_ns[run.rows].tolist()
        out[name] = {"weights": run.weights[run.rows].tolist(), "scalers": run.scalers.tolist()}
        if name in AGGREGATING:
            out[name]["posterior"] = run.posterior.tolist()
    return out


def _run_json(run: WeightRun) -> dict[str, Any]:
    return {
        "diagnostics": run.manager.get_diagnostics(),
        "final_weights": run.weights[-1].tolist(),
        "reference_trades": int(run.trades.size),
        "seconds": run.seconds,
    }


def _sections(result: WeightsEvaluation, runs: Mapping[str, WeightRun]) -> list[_Section]:
    return [
        _Section(
            f"Held-out forecasts, {result.forecasts} of each game, mean of U and D",
            _SCORE_HEAD, [_score_cells(x) for x in result.pooled],
            (f"Best single model, chosen in training: {result.best_single}.",),
        ),
        _Section(
            "Paired differences of held-out Brier scores, 1e-4, 95 % over calendar weeks",
            _VERSUS_HEAD,
            [[x.name, _gap(x, UNIFORM), _gap(x, BEST_SINGLE)] for x in result.pooled],
        ),
        _Section(
            "Brier = reliability - resolution + uncertainty + within, 20 equally filled bins",
            _SPLIT_HEAD, [_split_cells(x) for x in (*result.pooled, *result.models)],
        ),
        _Section(
            "Held-out forecasts of each calibrated model, where it votes",
            _MODEL_HEAD, [_model_cells(x) for x in result.models],
        ),
        _Section(
            "Regret: cumulative Brier loss above the best expert, beside the bound that applies",
            _REGRET_HEAD, [_regret_cells(x) for x in result.regrets],
            (_OVERLAP,) if all(x.training.bound is None for x in result.regrets) else (),
        ),
        _Section(
            "Model weights, and confidence scalers as reported",
            _WEIGHT_HEAD, [cells for run in runs.values() for cells in _weight_cells(run)],
        ),
        _Section(
            "Brier of the pool, and of the displayed weights used linearly in Weights-v0",
            _VIEW_HEAD,
            [[name, f"{result.row(name).brier:.6f}", f"{x:.6f}"]
             for name, x in result.view.items()],
        ),
    ]  # fmt: skip


def _score_cells(x: ForecastScore) -> list[str]:
    return [
        x.name, f"{x.brier:.6f}", f"{x.brier_up:.5f}", f"{x.brier_down:.5f}", f"{x.log_loss:.5f}",
        f"{x.ece:.4f}", _gap(x, CONSTANT, 1),
    ]  # fmt: skip


def _split_cells(x: ForecastScore) -> list[str]:
    parts = x.reliability, x.resolution, x.uncertainty, x.within
    return [x.name, *(f"{value:.6f}" for value in parts)]


def _model_cells(x: ForecastScore) -> list[str]:
    return [
        x.name, str(x.n), f"{x.brier:.6f}", f"{x.log_loss:.5f}", f"{x.ece:.4f}", _gap(x, UNIFORM),
    ]  # fmt: skip


def _gap(x: ForecastScore, other: str, digits: int = 2) -> str:
    if x.name == other or other not in x.versus:
        return "-"
    v: Interval = x.versus[other]
    mean, low, high = (f"{1e4 * part:+.{digits}f}" for part in (v.mean, v.low, v.high))
    return f"{mean} [{low}, {high}]"


def _regret_cells(x: RegretRow) -> list[str]:
    of_class = ["-", "-", "-"]
    if x.classes is not None and x.classes_brier is not None:
        of_class = [f"{x.classes.used:.3f}", _bound(x.classes), f"{x.classes_brier:.6f}"]
    return [
        x.algorithm, f"{x.training.used:+.2f}", _bound(x.training), f"{x.held_out:+.2f}", *of_class,
    ]  # fmt: skip


def _bound(regret: Regret) -> str:
    return "none" if regret.bound is None else f"{regret.bound:.3f}"


def _weight_cells(run: WeightRun) -> list[list[str]]:
    manager: ReinforcementManager = run.manager
    scalers = [f"{manager.get_confidence_scaler(name):.4f}" for name in MODEL_NAMES]
    rows = [
        [run.algorithm, "end of training", *(f"{w:.4f}" for w in manager.raw_weights().tolist())],
        ["", "end of the held-out period", *(f"{w:.4f}" for w in run.weights[-1].tolist())],
    ]
    if run.algorithm == UNIFORM:
        rows.append(["scalers, any", "end of training", *scalers])
    return rows


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
