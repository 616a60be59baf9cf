"""What ``certify.py`` does: options, the run with its progress bar, and what it writes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from envs.core.errors import FixSettings
from training import certificate_store
from training.certificate import FULL, GAMES, Certificate, certify, exact_games, games_named
from training.certificate_report import print_certificate, write_docs
from training.files import write_json
from training.games.sheet import Game

EXIT_FAILED = 1
DOCS = Path(__file__).resolve().parent.parent / "docs" / "certificate.md"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the program."""
    parser.add_argument(
        "--out", type=Path, metavar="FILE",
        help="write rows, verdicts and digest as JSON here [path ending in .json; optional]",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true",
        help="exact games only, about a second: what a training run plays by itself [default: all]",
    )  # fmt: skip
    names = ", ".join(game.name for game in GAMES)
    parser.add_argument(
        "--games", metavar="A,B", default="",
        help=f"only these games, separated by commas [default: all of {names}]",
    )  # fmt: skip
    parser.add_argument(
        "--write-docs", action="store_true",
        help="write docs/certificate.md anew; needs all games [default: no]",
    )  # fmt: skip


def chosen_games(options: argparse.Namespace) -> Sequence[Game]:
    """Games the options ask for.

    Raises:
        FixSettings: Options that exclude each other, an unknown game, or no JSON file.
    """
    part = bool(options.quick or options.games)
    if options.quick and options.games:
        raise FixSettings("--quick and --games: choose one of the two")
    if options.write_docs and part:
        raise FixSettings("--write-docs needs every game: leave out --quick and --games")
    if options.out is not None and options.out.suffix != ".json":
        raise FixSettings(f"--out {options.out}: the name must end in .json")
    if options.games:
        return games_named([name.strip() for name in options.games.split(",")])
    return exact_games() if options.quick else GAMES


def run_certificate(
    options: argparse.Namespace, cache: Path, console: Console, docs: Path = DOCS
) -> Certificate:
    """Play, print, write; a full certificate is kept for later training runs."""
    games = chosen_games(options)
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(),
        TextColumn("{task.completed}/{task.total} games"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("certificate", total=len(games))

        def on_game(name: str, done: int, _: int) -> None:
            bar.update(task, completed=done, description=name)

        certificate = certify(games, on_game)
    print_certificate(console, certificate)
    content = certificate.to_json()
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.out, content)
    if certificate.form == FULL:
        certificate_store.keep(content, cache)
    if options.write_docs:
        write_docs(certificate, docs)
    return certificate
