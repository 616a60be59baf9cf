"""Training and evaluating the reinforcement manager alone: votes, passes, scores, checkpoint."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from agents.reinforcement.settings import ALGORITHMS
from envs.artifact import atomic_write_text, canonical_json, code_version, file_digest
from envs.core.series import prepare
from runtime.settings import Settings
from training.files import write_json
from training.inputs import Inputs, load_inputs
from training.logs import hparams
from training.report import print_data
from training.runs import data_summary, run_folder
from training.weights_evaluation import WeightsEvaluation, evaluate_weights
from training.weights_log import WeightsLog, figures
from training.weights_report import path_json, print_weights, weights_json, weights_markdown
from training.weights_runs import WeightRun, run_all

MANIFEST_VERSION = 1
_LATEST = "latest-weights"


def run_weights_job(
    settings: Settings, command: Sequence[str], cache: Path, console: Console
) -> None:
    """Run everything; the folder is named on the console.

    With ``resume`` the passes that were finished are taken over, the rest is run.
    """
    now = datetime.now(UTC)
    with run_folder(settings, command, now, _LATEST) as folder:
        console.print(f"Run folder: {folder}", soft_wrap=True)
        _run_in(folder, settings, command, now, cache, console)


def _run_in(
    folder: Path,
    settings: Settings,
    command: Sequence[str],
    now: datetime,
    cache: Path,
    console: Console,
) -> None:
    run, wanted, begun = settings.run, settings.reinforcement.algorithm, time.perf_counter()
    with console.status("market and votes ..."):
        inputs = load_inputs(
            settings, cache, lambda text: console.print(f"[dim]votes: {text}[/dim]")
        )
    spans = inputs.spans.to_json(inputs.market)
    fingerprint = inputs.report.fingerprint
    write_json(folder / "data.json", data_summary(fingerprint, inputs.report.to_json(), spans))
    console.print(
        f"{', '.join(inputs.market.symbols)} {run.timeframe}: training {spans['train_start']} to "
        f"{spans['train_end']}, held out {spans['test_start']} to {spans['test_end']}"
    )
    print_data(console, inputs.report)
    runs, result = _passes(inputs, settings, folder, console)
    # All of it is written below, also by a resumed run: half a log would show twice.
    shutil.rmtree(folder / "tensorboard", ignore_errors=True)
    log = WeightsLog(folder)
    log.passes(runs)
    taken = result.selection.taken(wanted)
    stamp = {
        "created_ns": int(now.timestamp()) * 1_000_000_000,
        "config_hash": settings.config_hash(),
        "feature_schema_hash": inputs.market.feature_hash,
    }
    runs[taken].manager.checkpoint(folder / "reinforcement.json", **stamp)
    report = weights_markdown(result, runs, wanted)
    log.text("report/weights", report)
    log.settings(hparams(settings), figures(result))
    log.close()
    seconds = round(time.perf_counter() - begun, 2)
    metrics = {**weights_json(result, runs, wanted), "taken": taken, "seconds": seconds}
    write_json(folder / "metrics.json", metrics)
    canonical = canonical_json(path_json(runs, inputs.market.close_ns)).decode()
    atomic_write_text(folder / "weights_path.json", canonical + "\n")
    atomic_write_text(folder / "report.md", report)
    manifest = _manifest(folder, settings, inputs, command, spans, taken)
    write_json(folder / "manifest.json", {**manifest, "created_ns": stamp["created_ns"]})
    print_weights(console, result, runs, wanted)
    console.print(f"Checkpoint of {taken}: {folder / 'reinforcement.json'}", soft_wrap=True)
    console.print(f"TensorBoard: tensorboard --logdir {folder / 'tensorboard'}", soft_wrap=True)


def _passes(
    inputs: Inputs, settings: Settings, folder: Path, console: Console
) -> tuple[dict[str, WeightRun], WeightsEvaluation]:
    """Every algorithm's pass and their scores, under a progress bar."""
    data = prepare(inputs.market, settings.core)
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(),
        TextColumn("{task.completed}/{task.total}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("passes", total=len(ALGORITHMS) + 1)

        def on_done(name: str, known: bool) -> None:
            how = "taken over" if known else "run"
            console.print(f"[dim]pass of {name}: {how}[/dim]")
            progress.advance(task)

        runs = run_all(inputs, data, settings, folder, on_done)
        progress.update(task, description="scores")
        result = evaluate_weights(inputs, runs, settings.reinforcement, inputs.market.close_ns)
        progress.advance(task)
    return runs, result


def _manifest(
    folder: Path,
    settings: Settings,
    inputs: Inputs,
    command: Sequence[str],
    spans: dict[str, str],
    taken: str,
) -> dict[str, Any]:
    """What the folder holds and how it came about, with a digest of every file."""
    files = {
        str(p.relative_to(folder)): file_digest(p)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "manifest.json"
    }
    return {
        "manifest_version": MANIFEST_VERSION,
        "code_version": code_version(),
        "config_hash": settings.config_hash(),
        "command": shlex.join(command),
        "seed": settings.run.seed,
        "spans": spans,
        "symbols": list(inputs.market.symbols),
        "timeframe": settings.run.timeframe,
        "horizon_bars": inputs.votes.horizon_bars,
        "weight_algorithm": taken,
        "signal_origin": inputs.votes.origin,
        "votes_digest": inputs.votes.digest(),
        "data_fingerprint": inputs.report.fingerprint,
        "files": files,
    }
