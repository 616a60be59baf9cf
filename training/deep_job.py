"""The deep-RL part of the main job: training with a progress bar, and what a run records of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from agents.deep.agent import NetworkAgent
from runtime.settings import Settings
from training.deep import Training, WishCount, train_deep
from training.simulate import Period, Simulator
from training.sizing import Choice

TABLE = "table"


@dataclass(frozen=True)
class DeepResult:
    """A trained network and the figures of its training."""

    agent: NetworkAgent
    training: Training

    def to_json(self, held_out: Period) -> dict[str, Any]:
        """Figures for metrics.json, with how often a mask changed a held-out decision."""
        counted = WishCount(self.agent)
        Simulator(held_out).run(counted)
        return {
            "algorithm": self.agent.name,
            **asdict(self.training),
            "steps_per_second": self.training.steps_per_second,
            "held_out_masked_wishes": counted.share,
        }


def is_deep(settings: Settings) -> bool:
    """Whether the run trains a network and not the table."""
    return settings.run.agent != TABLE


def deep_choice(settings: Settings) -> Choice:
    """The network is shipped because it was asked for; nothing is compared."""
    agent = settings.run.agent
    return Choice(agent, float("nan"), float("nan"), 0, f"by --agent {agent}")


def deep_scalars(figures: dict[str, Any]) -> dict[str, float]:
    """Numbers for TensorBoard, beside the learner's own curves."""
    names = ("masked_share", "held_out_masked_wishes", "steps_per_second", "seconds")
    return {name: float(figures[name]) for name in names}


def train_network(settings: Settings, period: Period, folder: Path, console: Console) -> DeepResult:
    """Train the network of ``--agent`` on the training period, showing its progress."""
    deep, algorithm = settings.deep, settings.run.agent
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"training {algorithm}", total=deep.timesteps)

        def on_steps(done: int) -> None:
            progress.update(task, completed=done)

        agent, training = train_deep(
            period, algorithm, deep, settings.run.seed, folder, resume=settings.run.resume,
            config_hash=settings.config_hash(), on_steps=on_steps,
        )  # fmt: skip
    console.print(
        f"[dim]training: {algorithm}, {training.timesteps - training.resumed} decisions in "
        f"{deep.n_envs} environments, {training.seconds:.1f} s, "
        f"{training.steps_per_second:,.0f} decisions/s, "
        f"{100 * training.masked_share:.2f} % of them masked[/dim]"
    )
    return DeepResult(agent, training)
