"""``python -m runtime demo``: train a small policy, then watch it trade the built-in exchange."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from envs.core.errors import FixInput, QuantumTraderError, RefusedArtifact
from envs.core.types import NS_PER_SECOND
from envs.market.sources import interval_ns_of
from runtime import trade_cli
from runtime.bundle import read_manifest
from runtime.settings_cli import EXIT_FIX_INPUT
from runtime.wiring.asking import moment, plan_of

HELP = "train a small policy (or take the last bundle) and trade it on the built-in exchange"
_RUNS = Path("runs")
_HOME = _RUNS / "demo"
_BAR_S = 2.0
"""Wall seconds a bar takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options; each says its unit and default."""
    parser.add_argument(
        "--bundle", metavar="DIR", type=Path, default=None,
        help="what to trade [default: the last bundle of the built-in market in runs/; where there "
        "is none a small one is trained, about two minutes]",
    )  # fmt: skip
    parser.add_argument("--train", action="store_true", help="train a new small policy in any case")
    parser.add_argument(
        "--minutes", metavar="M", type=float, default=3.5,
        help="how long it trades [minutes, 0.2 to 60; default 3.5]",
    )  # fmt: skip
    parser.add_argument(
        "--on-exit", choices=("flatten", "leave"), default="flatten",
        help="what Ctrl-C does with open positions [default flatten]",
    )  # fmt: skip
    parser.add_argument(
        "--view", choices=("auto", "live", "plain", "none"), default="auto",
        help="live: a screen that is kept up to date; plain: a line per event; auto: live at a "
        "terminal [default auto]",
    )  # fmt: skip


def main(args: argparse.Namespace) -> int:
    """Run the demonstration; 0 done, 2 wrong input, 3 a core service failed, 130 Ctrl-C."""
    try:
        if not 0.2 <= args.minutes <= 60.0:
            raise FixInput(f"--minutes: 0.2 to 60, got {args.minutes:g}")
        now = datetime.now(UTC)
        bundle = args.bundle or bundle_for(now, anew=args.train)
        return trade(bundle, args, now)
    except FixInput as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_FIX_INPUT
    except QuantumTraderError as error:
        sys.stderr.write(f"error: {error}\n")
        return trade_cli.EXIT_CORE


def bundle_for(now: datetime, *, anew: bool = False) -> Path:
    """The last bundle of the built-in market, or a small one trained now.

    Raises:
        FixInput: The training did not come to a bundle.
    """
    found = None if anew else last_bundle(_RUNS)
    if found is not None:
        _say(f"bundle: {found} (the last one; --train makes a new one)")
        return found
    out = _HOME / f"training-{now.strftime('%Y%m%d-%H%M%S')}"
    command = [sys.executable, "-m", "training.train_sizing", "--quick", "--out", str(out)]
    _say(f"no bundle yet: {shlex.join(['python', *command[1:]])}")
    code = subprocess.run(command, check=False).returncode  # noqa: S603 (this project's own program)
    if code in (130, -2):
        raise KeyboardInterrupt
    if code:
        raise FixInput(f"the training ended with exit code {code}; see its message above")
    return out / "bundle"


def last_bundle(runs: Path) -> Path | None:
    """Newest whole bundle below ``runs`` that was trained on the built-in market."""
    folders = {p.parent for pattern in ("*/bundle", "*/*/bundle")
               for p in runs.glob(f"{pattern}/manifest.json")}  # fmt: skip
    made: list[tuple[int, Path]] = []
    for folder in folders:
        try:
            manifest = read_manifest(folder)
        except RefusedArtifact as error:
            _say(f"passed over: {error}")
            continue
        if manifest.get("signal_origin") == "planted":
            made.append((int(manifest["created_ns"]), folder))
    return max(made)[1] if made else None


def trade(bundle: Path, args: argparse.Namespace, now: datetime) -> int:
    """Trade a bundle on the accelerated local exchange for some minutes."""
    from runtime.display.session import trade_with_view

    parser = argparse.ArgumentParser()
    trade_cli.add_arguments(parser)
    state = _HOME / now.strftime("%Y%m%d-%H%M%S")
    given = trade_options(read_manifest(bundle), args.minutes)
    argv = ["--bundle", str(bundle), "--venue", "local", "--state", str(state),
            "--on-exit", args.on_exit, "--set", "QT_ESS_AUTO_ACK=true", *given]  # fmt: skip
    plan = plan_of(parser.parse_args(argv), argv, _without_venue(os.environ), now)
    _say(f"trades for about {args.minutes:g} minutes, or until Ctrl-C: {plan.command}")
    code = asyncio.run(trade_with_view(plan, args.view))
    _say(
        "Look closer:\n"
        f"  python -m runtime replay --state {state}\n      computes every decision once more\n"
        f"  python -m runtime ess status --state {state}\n      shows the emergency stop"
    )
    return code


def trade_options(manifest: Mapping[str, Any], minutes: float) -> Sequence[str]:
    """Speed and period: as many bars of the held-out period as fit, a few seconds each."""
    bar_s = interval_ns_of(manifest["timeframe"]) / NS_PER_SECOND
    bars = max(4, round(minutes * 60.0 / _BAR_S))
    begin = moment("bundle", str(manifest["spans"]["test_start"]))
    if begin is None:
        raise RefusedArtifact("bundle: its manifest names no held-out period; train it again")
    until = begin + timedelta(seconds=bar_s * bars)
    speed = bar_s / _BAR_S
    # One look at positions every quarter of a wall second, one comparison every three.
    look_s, compare_s = min(300.0, speed / 4.0), min(3600.0, speed * 3.0)
    return ("--speed", f"{speed:g}", "--end", until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "--monitor", f"{look_s:g}", "--loop", f"{compare_s:g}")  # fmt: skip


def _without_venue(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would turn the demonstration into something else."""
    mine = ("QT_VENUE", "QT_DATABASE_URL", "QT_DATABASE_URL_FILE")
    return {k: v for k, v in environ.items() if k not in mine}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
