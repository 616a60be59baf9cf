"""The built-in exchange as a child of the trader: free ports, the same data and seed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from envs.core.errors import FixInput
from envs.core.types import NS_PER_SECOND
from runtime.port_errors import VenueUnavailable
from runtime.wiring.plan import LOCKSTEP

_START_S = 120.0
_STOP_S = 10.0
_LIMIT = 2**20
_TICKS_A_SECOND = 40.0
_ROOT = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True)
class ExchangeAt:
    """A running exchange: REST and control addresses, its market time when it was asked.

    ``gone`` is done when its process has ended; None where it is not ours.
    """

    rest: str
    control: str
    now_ns: int = 0
    resumed: bool = False
    gone: asyncio.Task[int] | None = None


def child_arguments(
    config: Path, state: Path, speed: float | str, start_ns: int, end_ns: int | None, limits: str,
) -> list[str]:  # fmt: skip
    """Options of the child: settings from ``config``, its journal at ``state``."""
    out = ["--config", str(config), "--state", str(state), "--port", "0", "--speed", str(speed),
           "--limits", limits, "--start", _utc(start_ns)]  # fmt: skip
    if speed != LOCKSTEP:
        # Finer ticks than this nobody sees, and they would eat the processor.
        out += ["--tick-s", f"{max(1.0, float(speed) / _TICKS_A_SECOND):g}"]
    return out if end_ns is None else [*out, "--end", _utc(end_ns)]


@asynccontextmanager
async def exchange_child(arguments: Sequence[str]) -> AsyncIterator[ExchangeAt]:
    """Start the exchange, wait until it answers, and stop it when the context is left.

    Raises:
        FixInput: It refuses its settings, data or state; its own words.
        VenueUnavailable: It did not start in time.
    """
    # Only what it needs of the environment: keys of other venues stay with the trader.
    environ = {k: v for k, v in os.environ.items() if not k.startswith("QT_") or "CACHE" in k}
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, (_ROOT, environ.get("PYTHONPATH", ""))))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime.wiring.exchange_process", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, env=environ, limit=_LIMIT, start_new_session=True,
    )  # fmt: skip
    errors = asyncio.create_task(_tail(process))
    gone = asyncio.create_task(process.wait())
    try:
        yield replace(await _address(process, errors), gone=gone)
    finally:
        await _stop(process)
        for task in (errors, gone):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _utc(ns: int) -> str:
    return datetime.fromtimestamp(ns // NS_PER_SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _address(process: asyncio.subprocess.Process, errors: asyncio.Task[str]) -> ExchangeAt:
    if process.stdout is None:
        raise VenueUnavailable("the local exchange has no output")
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_S)
    except TimeoutError:
        raise VenueUnavailable(f"the local exchange did not start in {_START_S:g} s") from None
    if not line:
        code = await process.wait()
        said = (await errors).strip() or f"it ended with exit code {code}"
        kind = FixInput if code == 2 else VenueUnavailable
        raise kind(f"the local exchange did not start: {said}")
    return ExchangeAt(**json.loads(line))


async def _tail(process: asyncio.subprocess.Process) -> str:
    """Read what the child complains of, so that its pipe never fills; the last lines of it."""
    kept = ""
    while process.stderr is not None:
        chunk = await process.stderr.read(4096)
        if not chunk:
            break
        kept = (kept + chunk.decode("utf-8", "replace"))[-4000:]
    return kept


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()
