"""From a journal back to the state it was written in: the same commands at the same points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from envs.core.errors import DamagedArtifact, RefusedArtifact
from runtime.exchange.applying import AccountModes, apply
from runtime.exchange.commands import Command, from_json, to_json
from runtime.exchange.errors import VenueError
from runtime.exchange.journal import Journal
from runtime.exchange.market import ExchangeMarket, Point
from runtime.exchange.moving import MarketWalk
from runtime.exchange.settings import ExchangeSettings
from runtime.exchange.state import VenueState


def header_of(settings: ExchangeSettings, market: ExchangeMarket) -> dict[str, Any]:
    """First line of a journal: what its commands depend on."""
    return {
        "fingerprint": market.fingerprint,
        "settings": settings.journalled(),
        "first_row": market.first.row,
    }


def check_header(journal: Journal, header: dict[str, Any]) -> None:
    """Refuse a journal of another market or of other rules; the start may differ.

    Raises:
        RefusedArtifact: It names what differs.
    """
    found = journal.header
    if found.get("fingerprint") != header["fingerprint"]:
        raise RefusedArtifact(
            f"--state {journal.path}: written on other data (--data, --symbols, --seed or "
            "--timeframe differ); use the same or another file"
        )
    for name, value in header["settings"].items():
        if found["settings"].get(name) != value:
            raise RefusedArtifact(
                f"--state {journal.path}: written with {name} = {found['settings'].get(name)!r}, "
                f"now {value!r}; use the same or another file"
            )


def command_entry(
    command: Command, point: Point, wall_ms: int, state: VenueState
) -> dict[str, Any]:
    """Line of a command that was applied at ``point``; ``s`` tells what it led to."""
    return {
        "k": "c", "at": list(point), "w": wall_ms, "c": to_json(command), "s": sums_of(state),
    }  # fmt: skip


def market_entry(point: Point, wall_ms: int) -> dict[str, Any]:
    """Line that says how far the market may have gone without a command."""
    return {"k": "at", "at": list(point), "w": wall_ms}


def sums_of(state: VenueState) -> list[int]:
    """Wallet and counts: enough to see that a replay leads elsewhere."""
    return [
        state.ledger.wallet_units, state.next_order_id(), state.next_algo_id(),
        state.ledger.n_trades,
    ]  # fmt: skip


def replay(journal: Journal, walk: MarketWalk, modes: AccountModes) -> None:
    """Apply what a journal holds and go as far as the market may have gone; forgets its lines.

    Raises:
        DamagedArtifact: A command now leads to something else.
    """
    state, number = walk.engine.state, walk.market.number
    last = walk.point
    for line, entry in enumerate(journal.entries[1:], 2):
        at = Point(*entry["at"])
        if entry["k"] == "at":
            last = max(last, at, key=number)
            continue
        walk.move_to(at)
        try:
            apply(from_json(entry["c"]), walk.engine, modes, walk.now_ns)
        except VenueError as error:
            raise DamagedArtifact(_differs(journal.path, line, str(error))) from error
        state.take_events()
        if sums_of(state) != entry["s"]:
            found = f"{sums_of(state)} is not {entry['s']}"
            raise DamagedArtifact(_differs(journal.path, line, found))
    walk.move_to(last)
    state.take_events()
    del journal.entries[1:]


def _differs(path: Path, line: int, what: str) -> str:
    return (
        f"--state {path}: line {line} gives another result than when it was written ({what}); "
        "the rules have changed since: begin with another file"
    )
