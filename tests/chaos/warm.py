"""Loads what a runtime needs, compiled rules included, by trading a little: for a fork server.

A forked child then begins in a moment; a start from nothing is what ``tests.chaos.cold`` does.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

import tests.chaos.child  # noqa: F401
from tests.faults.runtime_market import Shape
from tests.faults.runtime_parts import Plan
from tests.faults.runtime_rig import rig

_BARS = 6


async def _trade(folder: Path) -> None:
    async with rig(Plan(folder, Shape(bars=_BARS + 2, first_row=3))) as made:
        await made.finish()


def warm_up() -> None:
    """Trade a few bars in lockstep with an exchange of this process; nothing of it is kept."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_trade(Path(folder)))


warm_up()
