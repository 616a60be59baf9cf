"""Run a command of the runtime: ``python -m runtime exchange --help``."""

from __future__ import annotations

import sys

from runtime.cli import main

if __name__ == "__main__":
    sys.exit(main())
