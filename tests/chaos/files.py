"""Notes a life leaves in its folder; the libraries of a runtime are not loaded for them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FIRST, READY, RESULT, ERROR = "first.json", "ready.json", "result.json", "error.txt"
"""First aid done; recovered; ended, and what it came to; what it said when it failed."""


def note(path: Path, body: dict[str, Any]) -> None:
    """Write a file at once or not at all."""
    other = path.with_suffix(f".{os.getpid()}")
    other.write_text(json.dumps(body), encoding="utf-8")
    other.replace(path)
