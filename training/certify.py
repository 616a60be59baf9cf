"""Play every game with a known answer and compare; exit status 1 when a row fails."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.certificate_job import EXIT_FAILED, add_options, run_certificate
from training.cli import cache_folder, run_program


def main(argv: list[str] | None = None) -> int:
    """Certify the code."""
    parser = argparse.ArgumentParser(prog="certify.py", description=__doc__)
    add_options(parser)
    args, good = parser.parse_args(argv), []
    status = run_program(
        lambda console: good.append(run_certificate(args, cache_folder(), console).passed),
        "repeat the command",
    )
    return status or (0 if good[0] else EXIT_FAILED)


if __name__ == "__main__":
    sys.exit(main())
