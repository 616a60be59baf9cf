"""Decisions that tuned epsilon-greedy Q-learning needs for each one of the counterfactual learner.

    python benchmarks/sample_efficiency.py [--write-docs] [--games N] [--json FILE]

Both learn the planted games of ``training/planted_game.py`` until the mean regret of the greedy
policy over all games is under .05. ``--write-docs`` writes the table of ``docs/learning.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from benchmarks.docs_section import DOCS, paragraph, write_section
from training.planted_game import PlantedGame, SizingGame, UnstructuredGame
from training.sample_efficiency import (
    ALPHAS,
    PLAIN_MEANS,
    REGRET,
    Needed,
    checkpoints,
    grid,
    needed_by_q,
    needed_by_table,
)

FAR = 100
"""Q-learning is given up after this many times the counterfactual learner's decisions."""
MOST = 200_000
SECTION = "Decisions needed on planted games"


@dataclass(frozen=True)
class Case:
    """A family of games, the counterfactual learner's settings, and the ratio asked for."""

    name: str
    make: Callable[[int], PlantedGame]
    settings: SizingSettings
    wanted: float | None
    alphas: tuple[float, ...] = ALPHAS


CASES = (
    Case("sizing, 30 states x 20 bets", SizingGame, SizingSettings(), 50.0),
    Case(
        "sizing, 300 states x 20 bets",
        lambda seed: SizingGame(seed, (0, 1, 2, 3, 4), 12), SizingSettings(), None,
        (0.001, 0.002, 0.005),
    ),
    Case(
        "unstructured, 30 x 20, 64 % of the noise shared",
        lambda seed: UnstructuredGame(seed, 0.64), PLAIN_MEANS, 20.0,
    ),
    Case(
        "unstructured, 30 x 20, no noise shared",
        lambda seed: UnstructuredGame(seed, 0.0), PLAIN_MEANS, None,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """What both learners needed in one family of games."""

    name: str
    games: int
    table: int
    table_regret: float
    q: int | None
    q_limit: int
    q_regret: float
    q_settings: str
    tried: int
    wanted: float | None
    seconds: float

    @property
    def ratio(self) -> float:
        """Decisions of Q-learning to those of the counterfactual learner; at least, if given up."""
        return (self.q or self.q_limit) / self.table


def measure(case: Case, games: int) -> Line:
    """Play one family.

    Raises:
        RuntimeError: The counterfactual learner did not get there at all.
    """
    start = time.perf_counter()
    made = [case.make(seed) for seed in range(games)]

    def learner(game: PlantedGame) -> CounterfactualAgent:
        return CounterfactualAgent(game.preset, case.settings)

    table = needed_by_table(made, learner, checkpoints(30, MOST))
    if table.decisions is None:
        raise RuntimeError(f"{case.name}: regret {table.regret:.3f} after {MOST} decisions")
    tried, limit = grid(case.alphas), FAR * table.decisions
    q = needed_by_q(made, tried, checkpoints(table.decisions, limit))
    return Line(
        case.name, games, table.decisions, table.regret, q.decisions, limit, q.regret, _said(q),
        len(tried), case.wanted, round(time.perf_counter() - start, 1),
    )  # fmt: skip


def _said(needed: Needed) -> str:
    s = needed.settings
    step = "visit" if s.step == "visit" else f"{s.alpha:g}"
    return f"step {step}, epsilon {s.epsilon:g}, start {s.q0:g}"


def markdown(lines: list[Line]) -> str:
    """The section: command, what was measured, and the table."""
    head = (
        "game", "counterfactual", "tuned Q-learning", "ratio", "wanted", "best of the settings",
    )  # fmt: skip
    tried = " or ".join(str(n) for n in sorted({x.tried for x in lines}))
    out = [
        "```", "python benchmarks/sample_efficiency.py --write-docs", "```", "",
        paragraph(
            f"Decisions until the mean regret of the greedy policy over {lines[0].games} games is "
            f"under {REGRET:g}. Q-learning is the best of {tried} settings (step size, epsilon, "
            "optimistic start), chosen on the very games it is judged by."
        ),
        "",
        "| " + " | ".join(head) + " |", "|" + "---|" * len(head),
    ]  # fmt: skip
    for x in lines:
        q = f"{x.q:,}" if x.q else f"more than {x.q_limit:,} (regret {x.q_regret:.3f} there)"
        ratio = f"**{x.ratio:.1f}**" if x.q else f"**over {x.ratio:.0f}**"
        wanted = "-" if x.wanted is None else f"{x.wanted:g}"
        out.append(f"| {x.name} | {x.table:,} | {q} | {ratio} | {wanted} | {x.q_settings} |")
    return "\n".join([*out, "", NOTES])


NOTES = """\
- *Sizing game*: even-money coins whose chance depends on the state, bet with 0, 5, .. 95 % of the
  equity; the reward is log growth in units of what the best policy earns. 30 states are 5 regimes
  x 3 confidences x 2 exposures, 300 the agents' whole state; the learner has its default settings.
- *Unstructured game*: means drawn from N(0, .1), noise of deviation .5; the learner takes plain
  sample means (no shrinkage, no bound). The same bars decide all actions of a decision, so their
  noise has a common part: .64 of the variance is what the exits of the planted market share.
- With no noise in common a decision of full information is worth twenty decisions that try an
  action at random, and a tuned Q-learner does better than trying at random. The ratio is then a
  property of the game and lies under 20, whatever the learner.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=int, default=20, help="games of each family")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here")
    parser.add_argument("--from", dest="source", type=Path, default=None, help="read them instead")
    parser.add_argument("--write-docs", action="store_true")
    args = parser.parse_args()
    if args.games < 1:
        parser.error("--games must be at least 1")
    lines: list[Line] = []
    if args.source:
        lines = [Line(**x) for x in json.loads(args.source.read_text(encoding="utf-8"))]
    for case in () if args.source else CASES:
        lines.append(measure(case, args.games))
        sys.stderr.write(f"{lines[-1]}\n")
    sys.stdout.write(markdown(lines) + "\n")
    if args.json:
        body = json.dumps([asdict(x) for x in lines], indent=1)
        args.json.write_text(body + "\n", encoding="utf-8")
    if args.write_docs:
        write_section(DOCS / "learning.md", SECTION, markdown(lines))


if __name__ == "__main__":
    main()
