"""Checks before a start that need no venue: settings, bundle, keys, disk, journal."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from envs.core.errors import FixInput, QuantumTraderError
from runtime.adapters.host_guard import LIVE_PHRASE
from runtime.preflight_report import Check, ok, refuse, warn
from runtime.settings import Settings
from runtime.settings_checks import contradictions
from runtime.settings_tree import variables
from runtime.settings_values import check_limits
from runtime.subsystems.emergency_stop import auto_acknowledges

if TYPE_CHECKING:
    from runtime.bundle import Bundle
    from runtime.wiring.plan import VenueName

BYTES_PER_MB = 1_000_000
ROOM_TO_WARN = 4
_REAL = ("demo", "live")


def check_settings(settings: Settings, venue: str) -> Check:
    """Every value in its range, none against another, none against the venue."""
    values, found = settings.values(), []
    for v in variables():
        try:
            check_limits(values[v.key], v.limits)
        except ValueError:
            found.append(f"{v.label} = {v.shown(values[v.key])} must be {v.allowed}")
    found += contradictions(values)
    try:
        auto_acknowledges(settings.live, venue)
    except FixInput as error:
        found.append(str(error))
    if found:
        return refuse("settings", "; ".join(dict.fromkeys(found)))
    brake = settings.live.emergency_brake
    if brake:
        return warn("settings", "QT_AI_EMERGENCY_BRAKE is set: starts stopped at level 2")
    return ok("settings", "in range and without contradiction")


def check_bundle(bundle: Bundle, settings: Settings) -> Check:
    """The bundle's agents mean under these settings what they learned."""
    from envs.market.features import feature_names, schema_hash
    from runtime.wiring import asking

    wanted = schema_hash(feature_names())
    if bundle.feature_hash != wanted:
        return refuse(
            "bundle",
            f"{bundle.folder}: its features ({bundle.feature_hash[:12]}) are not this program's "
            f"({wanted[:12]}): train a bundle with this version",
        )
    try:
        asking.check_bundle(bundle.folder, bundle.manifest, settings)
    except FixInput as error:
        return refuse("bundle", str(error))
    lacking = sorted(set(settings.run.symbols) - {i.symbol for i in bundle.instruments})
    if lacking:
        return refuse("bundle", f"{bundle.folder}: instruments.json lacks {', '.join(lacking)}")
    return ok("bundle", f"{bundle.folder}: features, contracts, timeframe and horizon match")


def check_keys(venue: VenueName, environ: Mapping[str, str]) -> Check:
    """Keys are given, in the environment or in files only their owner can read."""
    from runtime.wiring.keys import keys_for

    if venue == "live" and environ.get("QT_ALLOW_LIVE", "") != LIVE_PHRASE:
        return refuse(
            "keys", f"live trading is off: it needs QT_ALLOW_LIVE={LIVE_PHRASE}; use demo instead"
        )
    if venue not in _REAL:
        return ok("keys", f"venue {venue} needs none")
    try:
        keys_for(venue, environ)
    except FixInput as error:
        return refuse("keys", str(error))
    return ok("keys", "found; the venue's answer to them: see account")


def check_disk(folder: Path, min_free_mb: int) -> Check:
    """The journal's disk has room."""
    place = next((p for p in (folder, *folder.absolute().parents) if p.exists()), Path("/"))
    try:
        free = shutil.disk_usage(place).free // BYTES_PER_MB
    except OSError as error:
        return refuse("disk", f"{folder}: cannot be looked at: {error.strerror}")
    said = f"{free} MB free on the disk of {folder}"
    if free < min_free_mb:
        return refuse(
            "disk", f"{said}, QT_MIN_FREE_MB = {min_free_mb}: free space, or move --state"
        )
    if free < ROOM_TO_WARN * min_free_mb:
        return warn("disk", f"{said}: little; below {min_free_mb} MB the next start is refused")
    return ok("disk", said)


def check_journal(url: str, account: str, folder: Path) -> Check:
    """The journal can be opened and written, is not newer or corrupt, and nobody trades with it.

    For a look before a run opens it itself; a process that holds it finds itself.
    """
    from runtime.journal.sql_journal import SqlJournal
    from runtime.store.database import open_database
    from runtime.store.run_lock import RunLock

    def look() -> Check:
        folder.mkdir(parents=True, exist_ok=True)
        database = open_database(url, threaded=False)
        try:
            with RunLock(database, account):
                records = SqlJournal(database).last_seq
        finally:
            database.close()
        return ok("journal", f"{database.name}: {records} records, writable, used by nobody else")

    return guarded("journal", look)


def guarded(name: str, check: Callable[[], Check]) -> Check:
    """A check whose own failure refuses."""
    try:
        return check()
    except QuantumTraderError as error:
        return refuse(name, str(error))
    except OSError as error:
        return refuse(name, f"{error.filename or ''}: {error.strerror or error}")
