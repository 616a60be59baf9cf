"""``python -m runtime replay --state DIR|URL``: every journalled decision, recomputed."""

from __future__ import annotations

import argparse

HELP = "recompute every journalled decision and compare it bit for bit"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--state", required=True, help="folder of a run, or URL of its journal")
    parser.add_argument("--bundle", help="folder of the bundle, if it has moved since the run")


def main(args: argparse.Namespace) -> int:
    """Run; 0 when all is equal, 1 for a difference, 2 for input that cannot be replayed."""
    raise NotImplementedError
