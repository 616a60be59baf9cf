"""Train, evaluate and bundle the sizing agent; everything lands in one run folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console

from runtime.settings_cli import add_arguments, settings_of
from training.cli import cache_folder, run_program


def main(argv: list[str] | None = None) -> int:
    """Run the main job."""
    parser = argparse.ArgumentParser(prog="train_sizing.py", description=__doc__)
    add_arguments(parser)
    given = sys.argv[1:] if argv is None else argv
    args = parser.parse_args(given)

    def work(console: Console) -> None:
        from training.main_job import run_main_job

        command = ["python", "training/train_sizing.py", *given]
        run_main_job(settings_of(args), command, cache_folder(), console)

    return run_program(work)


if __name__ == "__main__":
    sys.exit(main())
