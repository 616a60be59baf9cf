"""``python -m runtime health``: whether a trader's loop is alive, for health checks."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

HELP = "say whether the trader of a state folder is alive; 0 alive, 1 not, 2 no such state"
_DEFAULT_S = 60.0
_FILE = "heartbeat.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--state", metavar="DIR", type=Path, required=True, help="its state folder")
    parser.add_argument(
        "--older-than", metavar="S", type=float, default=_DEFAULT_S,
        help=f"seconds without a sign of life that count as dead [s; default {_DEFAULT_S:g}]",
    )  # fmt: skip


def main(args: argparse.Namespace) -> int:
    """Print one line and return the exit code."""
    path = args.state / _FILE
    try:
        beat = json.loads(path.read_text(encoding="utf-8"))
        age_s = max(0.0, time.time() - float(beat["wall_s"]))
    except FileNotFoundError:
        sys.stderr.write(f"error: {path}: no such file; is a trader's state folder meant?\n")
        return 2
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"error: {path}: cannot be read: {error}\n")
        return 2
    alive = beat.get("state") == "running" and age_s <= args.older_than
    extra = "".join(f", {k} {v}" for k, v in beat.items() if k in ("market", "bars", "gate"))
    word = "alive" if alive else "not alive"
    sys.stdout.write(f"{word}: {beat.get('state')}, last seen {age_s:.0f} s ago{extra}\n")
    return 0 if alive else 1
