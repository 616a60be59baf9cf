"""Train and evaluate the reinforcement manager alone, in the weights view; one run folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runtime.settings_cli import add_arguments, settings_of
from training.cli import cache_folder, run_program
from training.weights_job import run_weights_job


def main(argv: list[str] | None = None) -> int:
    """Run the weights job."""
    parser = argparse.ArgumentParser(prog="train_weights.py", description=__doc__)
    add_arguments(parser)
    given = sys.argv[1:] if argv is None else argv
    args = parser.parse_args(given)
    words = ["python", "training/train_weights.py", *given]
    return run_program(lambda c: run_weights_job(settings_of(args), words, cache_folder(), c))


if __name__ == "__main__":
    sys.exit(main())
