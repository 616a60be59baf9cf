"""JSON files of a run, written in one step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from envs.artifact import atomic_write_text


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON atomically; not-a-number is refused."""
    atomic_write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")
