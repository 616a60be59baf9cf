"""Plans and runs as a command line asks for them."""

from __future__ import annotations

import argparse
import asyncio
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from runtime.display.session import trade_with_view
from runtime.trade_cli import add_arguments
from runtime.wiring.asking import plan_of
from runtime.wiring.plan import TradePlan

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def plan_from(
    *argv: str | Path, environ: Mapping[str, str] | None = None, now: datetime = NOW
) -> TradePlan:
    """The plan of a command line, with an environment of its own."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = [str(a) for a in argv]
    return plan_of(parser.parse_args(given), given, environ or {}, now)


def run(plan: TradePlan, view: str = "none", timeout_s: float = 120.0) -> tuple[int, str]:
    """Exit code and everything printed."""
    out = io.StringIO()

    async def bounded() -> Any:
        async with asyncio.timeout(timeout_s):
            return await trade_with_view(plan, view, console=Console(file=out, width=200))

    return asyncio.run(bounded()), out.getvalue()
