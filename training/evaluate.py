"""Evaluate a bundle on a period, beside every baseline; the bundle is verified first.

Without dates the period is the held-out span of the bundle's own run, and the figures are its own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console

from runtime.settings_cli import add_arguments, settings_of
from training.cli import run_program

_BUNDLE = "the bundle's"
OPTIONS = {
    "data": _BUNDLE,
    "symbols": _BUNDLE,
    "timeframe": _BUNDLE,
    "start": "where the bundle's held-out span began",
    "test_end": "where it ended, or the last bar for a later --start",
    "funding": _BUNDLE,
    "seed": _BUNDLE,
}
"""Options of the settings, and what holds without them."""


def main(argv: list[str] | None = None) -> int:
    """Evaluate a bundle."""
    parser = argparse.ArgumentParser(prog="evaluate.py", description=__doc__)
    parser.add_argument(
        "--bundle", type=Path, required=True, metavar="DIR", help="bundle folder [path; required]"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures here [path; optional]"
    )
    add_arguments(parser, tuple(OPTIONS), OPTIONS)
    args = parser.parse_args(argv)

    def work(console: Console) -> None:
        from runtime.bundle import read_manifest
        from training.bundle_evaluation import evaluate_bundle

        read_manifest(args.bundle)
        if args.config is None:
            args.config = str(args.bundle / "config.toml")
        evaluate_bundle(args.bundle, settings_of(args), args, console)

    return run_program(work, "repeat the command")


if __name__ == "__main__":
    sys.exit(main())
