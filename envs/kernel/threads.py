"""Threads of the compiled loops."""

from __future__ import annotations

import os
from threading import Lock
from typing import Any

import numba

PARALLEL_LOCK = Lock()
"""Held while a parallel loop runs: the workqueue layer must not be entered twice at once."""


def quiet_threads() -> None:
    """Threads wait without spinning (Numba's workqueue layer), unless NUMBA_THREADING_LAYER is set.

    Spinning ones cost ten times the speed as soon as another process wants a core.
    """
    if "NUMBA_THREADING_LAYER" not in os.environ:
        config: Any = numba.config
        config.THREADING_LAYER = "workqueue"
