"""Explain a size: the ladder of all actions at one candidate of a bundle, and what cut the order.

The account is traded by the bundle's agent from the start of its held-out span up to that bar.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console

from runtime.settings_cli import add_arguments, settings_of
from training.cli import run_program

_BUNDLE = "the bundle's"
OPTIONS = {"data": _BUNDLE, "symbols": _BUNDLE, "timeframe": _BUNDLE, "funding": _BUNDLE}
"""Options of the settings, and what holds without them."""


def main(argv: list[str] | None = None) -> int:
    """Explain one decision."""
    parser = argparse.ArgumentParser(prog="explain.py", description=__doc__)
    parser.add_argument(
        "--bundle", type=Path, required=True, metavar="DIR", help="bundle folder [path; required]"
    )
    parser.add_argument(
        "--at", required=True, metavar="TIME",
        help="close of the bar, such as 2024-01-31T12:00:00Z [time with its zone; required]",
    )  # fmt: skip
    parser.add_argument("--symbol", required=True, help="symbol of the candidate [name; required]")
    parser.add_argument(
        "--all", action="store_true", help="show every action [flag; default: the best dozen]"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document instead [flag]"
    )
    parser.add_argument(
        "--fresh", action="store_true",
        help="an empty account at that bar [flag; default: traded since the held-out span began]",
    )  # fmt: skip
    parser.add_argument(
        "--table", action="store_true",
        help="ask the table where the bundle ships ev_kelly [flag; default: what it ships]",
    )  # fmt: skip
    add_arguments(parser, tuple(OPTIONS), OPTIONS)
    args = parser.parse_args(argv)

    def work(console: Console) -> None:
        from runtime.bundle import read_manifest
        from training.explain_report import print_explanation
        from training.explanation import Request, explain_bundle, moment_of

        request = Request(moment_of(args.at), args.symbol, args.fresh, args.table)
        read_manifest(args.bundle)
        if args.config is None:
            args.config = str(args.bundle / "config.toml")
        found = explain_bundle(args.bundle, settings_of(args), request)
        if args.json:
            sys.stdout.write(json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n")
        else:
            print_explanation(console, found, args.all)

    return run_program(work, "repeat the command")


if __name__ == "__main__":
    sys.exit(main())
