"""The main job: data, votes, tape, training, walk-forward choice, evaluation, bundle."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from agents.protocol import SizingAgent
from envs.artifact import atomic_write_text
from envs.core.actions import preset
from envs.core.series import prepare
from runtime.settings import Settings
from training.bundle import BundleParts, write_bundle
from training.certificate_report import print_verdict
from training.certificate_store import bundle_certificate
from training.deep_job import DeepResult, deep_choice, deep_scalars, is_deep, train_network
from training.evaluation import Evaluation, baselines, evaluate, turnover_of
from training.files import write_json
from training.inputs import Inputs, load_inputs
from training.joint import executed_weights
from training.logs import RunLog, figures, hparams
from training.occupancy import action_shares, occupancy_of
from training.report import (
    actions_markdown,
    occupancy_markdown,
    print_actions,
    print_data,
    print_evaluation,
    print_occupancy,
    print_selection,
    selection_markdown,
    to_json,
    to_markdown,
)
from training.runs import data_summary, run_folder
from training.scores import brier, calibration_error
from training.selection import Selection, select
from training.simulate import Period, PolicyRun, Simulator
from training.sizing import Choice, TableAgent, choose_agent, copy_agent, shipped_agent, train
from training.tape import Tape, make_tape

_CLASSIC_PASSES = 3


@dataclass
class _Stage:
    """Times of the stages, and the console everything is printed to."""

    console: Console
    seconds: dict[str, float]

    def run(self, name: str, work: Any) -> Any:
        start = time.perf_counter()
        with self.console.status(f"{name} ..."):
            out = work()
        self.seconds[name] = round(time.perf_counter() - start, 2)
        self.console.print(f"[dim]{name}: {self.seconds[name]:.1f} s[/dim]")
        return out


def run_main_job(settings: Settings, command: Sequence[str], cache: Path, console: Console) -> Path:
    """Run everything and return the run folder."""
    now = datetime.now(UTC)
    with run_folder(settings, command, now) as folder:
        console.print(f"Run folder: {folder}", soft_wrap=True)
        _run_in(folder, settings, command, now, cache, console)
    return folder


def _run_in(
    folder: Path,
    settings: Settings,
    command: Sequence[str],
    now: datetime,
    cache: Path,
    console: Console,
) -> None:
    run = settings.run
    stage = _Stage(console, {})

    def told(text: str) -> None:
        console.print(f"[dim]votes: {text}[/dim]")

    inputs: Inputs = stage.run("market and votes", lambda: load_inputs(settings, cache, told))
    spans = inputs.spans.to_json(inputs.market)
    fingerprint = inputs.report.fingerprint
    write_json(folder / "data.json", data_summary(fingerprint, inputs.report.to_json(), spans))
    console.print(
        f"{', '.join(inputs.market.symbols)} {run.timeframe}: training {spans['train_start']} to "
        f"{spans['train_end']}, held out {spans['test_start']} to {spans['test_end']}"
    )
    print_data(console, inputs.report)
    data = prepare(inputs.market, settings.core)
    selection: Selection = stage.run(
        "weight algorithms",
        lambda: select(
            data, inputs.votes, settings.core, settings.reinforcement, inputs.edges,
            inputs.spans.train_last, inputs.first_line,
        ),
    )  # fmt: skip
    wanted = settings.reinforcement.algorithm
    print_selection(console, selection, wanted)
    algorithm = selection.taken(wanted)
    tape: Tape = stage.run(
        "signal tape",
        lambda: make_tape(
            data, inputs.votes, settings.core, settings.reinforcement, inputs.edges,
            inputs.first_line, algorithm, None, inputs.first_slopes,
        ),
    )  # fmt: skip
    training = Period(
        data, tape.signals, inputs.votes, tape.candidates, settings.core,
        preset(settings.sizing.preset), inputs.spans.first, inputs.spans.train_last,
        settings.sizing.reward,
    )  # fmt: skip
    held_out = replace(training, first=inputs.spans.test_first, last=inputs.spans.test_last)
    log = RunLog(folder)
    log.tape(tape, inputs.votes)
    deep: DeepResult | None = None
    agent: SizingAgent
    if is_deep(settings):
        choice = deep_choice(settings)
        deep = train_network(settings, training, folder, console)
        stage.seconds["training"] = round(deep.training.seconds, 2)
        agent, last = deep.agent, None
    else:
        choice = stage.run(
            "walk-forward choice",
            lambda: choose_agent(training, settings.sizing, inputs.edges, run.seed),
        )
        agent, last = _train(settings, training, folder, log, console, stage)
    if last is None:
        last = Simulator(training).run(agent, alternatives=True)
    result = _evaluate(settings, training, held_out, agent, last, choice, console, stage)
    joint: dict[str, Any] = {}
    if isinstance(agent, TableAgent):
        joint = stage.run("joint check", lambda: _joint(settings, training, inputs, tape, agent))
    rows = {"training": last.row_states, "held out": result.runs["agent"].row_states}
    states = {
        name: occupancy_of(rows[name], tape.signals, data.market, settings.core, p.first, p.last)
        for name, p in (("training", training), ("held out", held_out))
    }
    chosen = {
        name: action_shares(training.preset, run_.actions)
        for name, run_ in (("training", last), ("held out", result.runs["agent"]))
    }
    certificate = stage.run("certificate", lambda: bundle_certificate(cache))
    print_verdict(console, certificate)
    metrics = {
        "evaluation": to_json(result),
        "occupancy": {name: found.to_json() for name, found in states.items()},
        "actions": chosen,
        "signal": signal_metrics(inputs, tape),
        "weight_algorithms": selection.to_json(wanted),
        "reinforcement": tape.manager.get_diagnostics(),
        **joint,
        "stages_seconds": stage.seconds,
        "table_digest": agent.digest(),
    }
    if deep is not None:
        metrics["deep"] = deep.to_json(held_out)
        log.values("deep", deep_scalars(metrics["deep"]))
    for name, run_ in result.runs.items():
        log.held_out(name, run_)
    texts = {
        "evaluation": to_markdown(result),
        "weight_algorithms": selection_markdown(selection, wanted),
        "occupancy": occupancy_markdown(states, settings.core.signal.min_edge),
        "actions": actions_markdown(chosen),
    }
    for name, text in texts.items():
        log.text(f"report/{name}", text)
    log.settings(hparams(settings), figures(result))
    log.close()
    write_json(folder / "metrics.json", metrics)
    atomic_write_text(folder / "report.md", "".join(texts.values()))
    write_bundle(
        folder / "bundle",
        BundleParts(
            settings, inputs.market, tape, agent, choice, _model_lines(inputs), metrics,
            shlex.join(command), spans, fingerprint, int(now.timestamp()) * 1_000_000_000,
            None if inputs.models is None else inputs.models.save,
            None if inputs.models is None else inputs.models.calibrators_json(), certificate,
        ),
    )  # fmt: skip
    print_occupancy(console, states, settings.core.signal.min_edge)
    print_actions(console, chosen)
    _print(console, result, choice, folder, agent)


def _train(
    settings: Settings, period: Period, folder: Path, log: RunLog, console: Console, stage: _Stage
) -> tuple[TableAgent, PolicyRun | None]:
    run = settings.run
    episodes = run.episodes
    bars = period.last - period.first
    start = time.perf_counter()
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("training", total=episodes * bars)

        def on_bar(k: int, done: int) -> None:
            progress.update(task, completed=k * bars + done, description=f"pass {k + 1}/{episodes}")

        def on_episode(k: int, out: PolicyRun, agent: TableAgent) -> None:
            log.episode(k, out, agent, settings.sizing.epsilon)

        trained = train(
            period, settings.sizing, episodes, run.seed, folder, resume=run.resume,
            config_hash=settings.config_hash(), on_episode=on_episode, on_bar=on_bar,
        )  # fmt: skip
    stage.seconds["training"] = round(time.perf_counter() - start, 2)
    console.print(
        f"[dim]training: {episodes} passes over {Simulator(period).n} candidate rows, "
        f"{stage.seconds['training']:.1f} s[/dim]"
    )
    return trained


def _evaluate(
    settings: Settings,
    training: Period,
    held_out: Period,
    agent: SizingAgent,
    last: PolicyRun,
    choice: Choice,
    console: Console,
    stage: _Stage,
) -> Evaluation:
    run = settings.run
    best = int(np.argmax(last.action_reward)) if last.action_reward.any() else None
    shipped = shipped_agent(choice, agent, settings.sizing)
    own = Simulator(held_out).run(shipped)
    others: list[SizingAgent] = baselines(
        held_out, settings.sizing, settings.kelly, best, turnover_of(own), run.seed
    )
    if shipped is not agent:
        others.insert(0, agent)
    if not isinstance(agent, TableAgent):
        table, _ = train(training, settings.sizing, run.episodes, run.seed, None)
        others.insert(0, table)
    if settings.sizing.learner != "classic":
        passes = min(_CLASSIC_PASSES, run.episodes)
        classic, _ = train(training, settings.sizing, passes, run.seed, None, learner="classic")
        others.append(classic)
    learning = None
    if isinstance(agent, TableAgent):
        learning = copy_agent(agent, held_out, settings.sizing)
    out: Evaluation = stage.run(
        "held-out evaluation", lambda: evaluate(held_out, shipped, others, run.seed, learning)
    )
    return out


def _joint(
    settings: Settings, training: Period, inputs: Inputs, tape: Tape, agent: TableAgent
) -> dict[str, Any]:
    """One pass in time order with the table learning on; reported, not bundled."""
    learning = copy_agent(agent, training, settings.sizing)
    run = Simulator(training).run(learning, learn=learning, alternatives=True, account="joint")
    return {
        "joint_check_log_growth": run.log_growth,
        "joint_check_weights": executed_weights(inputs.market, inputs.votes, tape, run.trades),
    }


def signal_metrics(inputs: Inputs, tape: Tape) -> dict[str, Any]:
    """Brier score and calibration error of each model and the pool, training and held out."""
    votes, spans = inputs.votes, inputs.spans
    parts = {
        "training": slice(spans.first, spans.train_last),
        "held_out": slice(spans.test_first, spans.test_last),
    }
    out: dict[str, Any] = {}
    for part, rows in parts.items():
        y = votes.y_long[rows]
        table = {"pool": tape.signals.p_up[rows]}
        table.update({m: votes.p_up[rows][:, :, i] for i, m in enumerate(votes.models)})
        scores: dict[str, Any] = {}
        for name, p in table.items():
            b, e = brier(p, y), calibration_error(p, y)
            scores[name] = {"brier": b if b == b else None, "ece": e if e == e else None}
        out[part] = scores
    out["final_weights"] = tape.pool.weights[-1].tolist()
    out["candidates"] = int(tape.candidates.rows.size)
    return out


def _model_lines(inputs: Inputs) -> tuple[Any, ...]:
    return () if inputs.models is None else tuple(inputs.models.lines)


def _print(
    console: Console, result: Evaluation, choice: Choice, folder: Path, agent: SizingAgent
) -> None:
    print_evaluation(console, result, "Held-out period, every policy in an account of its own")
    console.print(f"Shipped sizing agent: {choice.shipped} ({choice.reason}).")
    console.print(f"Digest of the {agent.name}: {agent.digest()}")
    console.print(f"Bundle: {folder / 'bundle'}", soft_wrap=True)
    console.print(f"TensorBoard: tensorboard --logdir {folder / 'tensorboard'}", soft_wrap=True)
