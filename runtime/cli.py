"""``python -m runtime COMMAND``: the programs of the runtime, each in a module of its own."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence

COMMANDS: Mapping[str, str] = {
    "exchange": "runtime.exchange.cli",
    "trade": "runtime.trade_cli",
    "parity": "runtime.parity_cli",
    "replay": "runtime.replay_cli",
    "journal": "runtime.journal_cli",
    "ess": "runtime.ess_cli",
    "health": "runtime.health_cli",
    "demo": "runtime.demo_cli",
    "first-contact": "runtime.first_contact",
}
"""Command and its module, which has HELP, ``add_arguments(parser)`` and ``main(args) -> int``."""


def available() -> dict[str, str]:
    """Commands whose module is there."""
    return {
        name: module
        for name, module in COMMANDS.items()
        if importlib.util.find_spec(module) is not None
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; exit code 2 for wrong usage or input, 0 when asked to stop."""
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="python -m runtime",
        description="The programs of the runtime; COMMAND --help explains each.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = given[0] if given and given[0] in COMMANDS else None
    runners = {}
    for name, path in available().items():
        if chosen not in (None, name):
            continue
        module = importlib.import_module(path)
        text = getattr(module, "HELP", (module.__doc__ or name).strip().partition("\n")[0])
        sub = commands.add_parser(name, help=text, description=text)
        module.add_arguments(sub)
        runners[name] = module.main
    args = parser.parse_args(given)
    try:
        return int(runners[args.command](args) or 0)
    except KeyboardInterrupt:
        return 130
