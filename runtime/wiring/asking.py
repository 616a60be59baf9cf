"""From a command line to a ``TradePlan``: settings laid over the bundle's own, and checked."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from envs.artifact import json_digest
from envs.core.errors import FixInput, FixSettings, RefusedArtifact
from runtime.bundle import read_manifest
from runtime.settings import Settings, load_settings
from runtime.settings_run import to_ns
from runtime.wiring.keys import secret_of
from runtime.wiring.plan import LOCKSTEP, JournalLevel, OnExit, TradePlan, VenueName

_URL = re.compile(r"[a-z][a-z0-9+]*://", re.IGNORECASE)
RUNS = Path("runs")


def plan_of(
    args: argparse.Namespace, argv: Sequence[str], environ: Mapping[str, str], now: datetime
) -> TradePlan:
    """What a parsed command line asks for.

    Raises:
        FixInput: A value out of range, options that contradict each other, or a bundle that is
            missing, altered or made for another market; the message says what to do.
    """
    folder = Path(args.bundle).expanduser()
    manifest = read_manifest(folder)
    settings = trade_settings(args, folder, environ)
    check_bundle(folder, manifest, settings)
    trading = settings.trading
    venue = cast(VenueName, trading.venue)
    state, url = places(args.state, venue, settings, manifest, now)
    level = trading.journal
    if level == "auto":
        level = "trades" if venue == "sim" else "full"
    start, end = moment("--start", args.trade_start), moment("--end", args.trade_end)
    plan = TradePlan(
        bundle=folder, venue=venue, settings=settings, state=state,
        database_url=url or secret_of("QT_DATABASE_URL", environ),
        journal=cast(JournalLevel, level), start_ns=to_ns(start), end_ns=to_ns(end),
        exchange_url=args.exchange_url, control_url=args.control_url, speed=speed(args.speed),
        max_bars=args.max_bars, learn=args.learn, on_exit=cast(OnExit, trading.on_exit),
        cache=cache_folder(environ), command=shown_command(argv),
    )  # fmt: skip
    check_period(plan, manifest)
    return plan


def trade_settings(args: argparse.Namespace, bundle: Path, environ: Mapping[str, str]) -> Settings:
    """Settings: the bundle's < ``--config`` < environment < options.

    Raises:
        FixSettings: See ``load_settings``.
    """
    options: dict[str, Any] = {
        "symbols": args.symbols, "data": args.data, "seed": args.seed, "funding": args.funding,
        "QT_CYCLE_S": args.loop, "QT_MONITOR_S": args.monitor, "QT_VENUE": args.venue,
        "QT_JOURNAL": args.journal, "QT_ON_EXIT": args.on_exit, "set": args.set,
    }  # fmt: skip
    if "QT_VENUE" not in environ and options["QT_VENUE"] is None and args.config is None:
        options["QT_VENUE"] = "sim"
    return load_settings(options, args.config, environ, bundle / "config.toml")


def check_bundle(folder: Path, manifest: Mapping[str, Any], settings: Settings) -> None:
    """Refuse settings under which the bundle's agents would not mean what they learned.

    Raises:
        RefusedArtifact: Naming what differs, both values, and what to do.
    """
    run, core = settings.run, settings.core
    same = (
        ("timeframe", manifest["timeframe"], run.timeframe),
        ("horizon_bars", manifest["horizon_bars"], core.signal.horizon_bars),
        ("entry style", manifest["entry_style"], core.entry.style.name.lower()),
        ("preset", manifest["preset"], settings.sizing.preset),
    )
    for name, made, asked in same:
        if made != asked:
            raise RefusedArtifact(
                f"{folder}: {name}: the bundle was trained with {made}, the settings say {asked}; "
                "take that setting back, or train a bundle with it"
            )
    strange = sorted(set(run.symbols) - set(manifest["symbols"]))
    if strange:
        raise RefusedArtifact(
            f"--symbols {','.join(strange)}: not in the bundle {folder}, which knows "
            f"{', '.join(manifest['symbols'])}; train one with them"
        )


def places(
    given: str | None, venue: str, settings: Settings, manifest: Mapping[str, Any], now: datetime
) -> tuple[Path, str]:
    """State folder and database URL of ``--state DIR|URL``.

    Without it demo and live keep one folder for all times, the others get a new one each.
    """
    if given is not None and not _URL.match(given):
        return Path(given).expanduser(), ""
    url = given or ""
    if venue in ("demo", "live"):
        return RUNS / f"trade-{venue}", url
    if url:
        # The same database again must find the same checkpoints.
        return RUNS / f"trade-{venue}-{json_digest(url)[:8]}", url
    digest = json_digest([settings.config_hash(), manifest["config_hash"]])
    return RUNS / f"trade-{venue}-{now.strftime('%Y%m%d-%H%M%S')}-{digest[:6]}", url


def check_period(plan: TradePlan, manifest: Mapping[str, Any]) -> None:
    """Refuse dates that mean nothing on a venue whose time is now.

    Raises:
        FixInput: A start on demo or live.
    """
    if plan.venue in ("demo", "live") and plan.start_ns is not None:
        raise FixInput(f"--start is for sim and local: {plan.venue} begins now")
    if plan.end_ns is not None and plan.start_ns is None and plan.venue in ("sim", "local"):
        held_out = str(manifest["spans"]["test_start"])
        begin = to_ns(moment("bundle", held_out))
        if begin is not None and plan.end_ns <= begin:
            raise FixInput(
                f"--end lies before the bundle's held-out period, which begins {held_out}: give a "
                "later end, or another --start"
            )


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where computed votes are kept between runs, as the training programs keep them."""
    base = environ.get("QT_CACHE_DIR")
    return Path(base) if base else Path.home() / ".cache" / "quantum-trader"


def speed(text: str) -> float | Literal["lockstep"]:
    """``--speed``.

    Raises:
        FixSettings: Neither lockstep nor a number.
    """
    if text == LOCKSTEP:
        return LOCKSTEP
    try:
        return float(text)
    except ValueError:
        raise FixSettings(f"--speed: lockstep or a number, got {text!r}") from None


def moment(option: str, text: str | None) -> datetime | None:
    """A UTC date or time.

    Raises:
        FixSettings: Not ISO 8601.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise FixSettings(f"{option}: a date such as 2024-01-31, got {text!r}") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def shown_command(argv: Sequence[str]) -> str:
    """The command for the record, without the password of a database URL."""
    return shlex.join(["python", "-m", "runtime", "trade", *map(_shown, argv)])


def _shown(word: str) -> str:
    name, sign, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if not _URL.match(value):
        return word
    from runtime.store.addresses import shown_text

    return name + sign + shown_text(value)
