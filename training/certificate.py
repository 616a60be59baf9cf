"""The certificate: every game with a known answer, played by the project's own code.

A row that fails says that a rule, a learner or a statistic no longer gives the answer that is
known. The digest covers rows and verdicts, not times, so equal code gives an equal digest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from envs.artifact import json_digest
from envs.core.errors import FixSettings
from training.games import (
    bias,
    bounds,
    coin,
    experts,
    faces,
    kelly,
    ledger,
    leverage,
    market,
    rewards,
    tabular,
)
from training.games.sheet import Game, Row, Sheet

SCHEMA = "certificate"
VERSION = 1
FULL, QUICK, PART = "full", "quick", "part"

GAMES: tuple[Game, ...] = (
    Game("kelly", kelly.play_kelly, True, (1, 2, 4, 5, 40)),
    Game("plan", kelly.play_plan, True, (38, 39, 53)),
    Game("coin", coin.play_coin, True, (3,)),
    Game("merton", leverage.play_merton, False, (6,)),
    Game("score", leverage.play_score, True, (51,)),
    Game("update", leverage.play_update, True, (51,)),
    Game("worlds", tabular.play_values, True, (7, 8, 9, 10)),
    Game("lake", tabular.play_lake, False, (7,)),
    Game("cliff", tabular.play_cliff, False, (8,)),
    Game("taxi", tabular.play_taxi, False, (9,)),
    Game("maximisation-bias", bias.play_bias, False, (11,)),
    Game("hedge", experts.play_hedge, False, (12,)),
    Game("pool", experts.play_steps, True, (12, 13, 35, 49, 54)),
    Game("brier-regret", experts.play_brier, False, (13,)),
    Game("tracking", experts.play_tracking, True, (49,)),
    Game("sharpe", bounds.play_sharpe, True, (14, 16, 17, 18, 19, 20)),
    Game("overfitting", bounds.play_overfitting, False, (20,)),
    Game("coverage", bounds.play_coverage, True, (15,)),
    Game("betting", bounds.play_betting, False, (24,)),
    Game("counts", bounds.play_counts, True, (43,)),
    Game("costs", market.play_costs, True, (21, 22, 23, 41, 42, 47)),
    Game("settlement", market.play_settlement, True, (23, 39, 50)),
    Game("faces", faces.play_faces, False, (25,)),
    Game("ledger", ledger.play_ledger, False, (23, 26)),
    Game("weights", rewards.play_weights, True, (28, 29, 30, 31, 32, 33, 34)),
    Game("votes", rewards.play_votes, True, (36, 37, 52)),
    Game("rewards", rewards.play_rewards, True, (44, 45, 46)),
)
ELSEWHERE = {
    27: "full information against epsilon-greedy, illustrative: the learning curves of the results",
    48: "population stability belongs to drift detection, which is not built yet",
}
"""Rows of the specification that are not played here, and where they are checked instead."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Certificate:
    """Rows in order of number; ``form`` is ``full``, ``quick`` (exact games) or ``part``.

    ``games`` names what was played.
    """

    form: str
    games: tuple[str, ...]
    rows: tuple[Row, ...] = field(repr=False)

    @property
    def failed(self) -> tuple[Row, ...]:
        """Rows whose value is not the known answer."""
        return tuple(row for row in self.rows if not row.passed)

    @property
    def passed(self) -> bool:
        """Whether something was played and every row agrees."""
        return bool(self.rows) and not self.failed

    def to_json(self) -> dict[str, Any]:
        """Content without times; ``digest`` is the SHA-256 of all the rest."""
        content = {
            "schema_name": SCHEMA,
            "schema_version": VERSION,
            "form": self.form,
            "games": list(self.games),
            "rows": [row.to_json() for row in self.rows],
        }
        return {**content, "digest": json_digest(content)}


def summary_of(content: dict[str, Any]) -> dict[str, Any]:
    """What a bundle keeps of ``Certificate.to_json``: digest, counts, one verdict per number."""
    verdicts: dict[str, bool] = {}
    for row in content["rows"]:
        number = str(row["number"])
        verdicts[number] = verdicts.get(number, True) and row["passed"]
    failed = [f"{row['number']}: {row['case']}" for row in content["rows"] if not row["passed"]]
    return {
        "digest": content["digest"],
        "form": content["form"],
        "games": content["games"],
        "passed": bool(content["rows"]) and not failed,
        "rows": len(content["rows"]),
        "failed": failed,
        "known_answers": verdicts,
    }


def games_named(names: Sequence[str]) -> tuple[Game, ...]:
    """Games by name, in the order of the list.

    Raises:
        FixSettings: An unknown name.
    """
    known = {game.name: game for game in GAMES}
    for name in names:
        if name not in known:
            raise FixSettings(f"unknown game {name!r}: choose among {', '.join(known)}")
    return tuple(game for game in GAMES if game.name in set(names))


def exact_games() -> tuple[Game, ...]:
    """Games that are arithmetic or exact recursion: about a second together."""
    return tuple(game for game in GAMES if game.exact)


def certify(games: Sequence[Game] = GAMES, progress: Progress | None = None) -> Certificate:
    """Play games and collect their rows; ``progress`` hears name, games done and games in all."""
    sheet = Sheet()
    for done, game in enumerate(games):
        if progress is not None:
            progress(game.name, done, len(games))
        _play(game, sheet)
    if progress is not None:
        progress("done", len(games), len(games))
    forms = {GAMES: FULL, exact_games(): QUICK}
    form = forms.get(tuple(games), PART)
    rows = sorted(sheet.rows, key=lambda row: row.number)
    return Certificate(form, tuple(game.name for game in games), tuple(rows))


def _play(game: Game, sheet: Sheet) -> None:
    """A game that breaks off fails in every row it should have filled."""
    try:
        with np.errstate(all="ignore"):
            game.play(sheet)
    except Exception as error:  # A broken rule may break off in any way.
        for number in game.numbers:
            sheet.near(number, f"{game.name} broke off: {error!r}", float("nan"), 0.0, 0.0)
