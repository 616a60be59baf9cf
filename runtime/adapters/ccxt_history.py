"""Settled funding rates and mark-price bars by REST: what closed bars alone do not tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from runtime.adapters.bars import UnreadableBar, bar_of
from runtime.adapters.ccxt_link import CallFailed, CcxtLink
from runtime.port_errors import VenueUnavailable
from runtime.port_market import Bar

_PAGE = 1_000
_MARK_PAGE, _MARK_WEIGHT = 1_000, 5
_SHORT = 3
_NS_PER_MS = 1_000_000


async def funding_since(
    link: CcxtLink, symbol: str, start_ms: int
) -> tuple[tuple[int, float], ...]:
    """Funding settled from a time on: (stamp in nanoseconds, rate), oldest first.

    Raises:
        VenueUnavailable: No answer, or one that cannot be read.
    """
    found: dict[int, float] = {}
    while True:
        rows = await _ask(
            link, "fapiPublicGetFundingRate",
            {"symbol": symbol, "startTime": start_ms, "limit": _PAGE}, 1,
        )  # fmt: skip
        page = [_stamp(row, symbol) for row in rows]
        found.update(page)
        if len(page) < _PAGE:
            return tuple((ms * _NS_PER_MS, found[ms]) for ms in sorted(found))
        start_ms = max(ms for ms, _ in page) + 1


async def funding_of_all(
    link: CcxtLink, start_ms: int
) -> dict[str, list[tuple[int, float]]] | None:
    """Funding of every contract settled from a time on: (stamp in nanoseconds, rate) by symbol.

    None where it is more than one page, so that something may be missing.

    Raises:
        VenueUnavailable: No answer, or one that cannot be read.
    """
    rows = await _ask(link, "fapiPublicGetFundingRate", {"startTime": start_ms, "limit": _PAGE}, 1)
    if len(rows) >= _PAGE:
        return None
    found: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        symbol = str(row.get("symbol", "")) if isinstance(row, dict) else ""
        ms, rate = _stamp(row, symbol)
        found.setdefault(symbol, []).append((ms * _NS_PER_MS, rate))
    return found


async def mark_bars(
    link: CcxtLink, symbol: str, interval: str, span_ms: int, since_ms: int
) -> tuple[Bar, ...]:
    """Closed bars of the mark price that open from a time on, oldest first; volume is 0.

    Raises:
        VenueUnavailable: No answer, or one that cannot be read.
    """
    found: dict[int, Bar] = {}
    while True:
        rows = await _ask(
            link, "fapiPublicGetMarkPriceKlines",
            {"symbol": symbol, "interval": interval, "startTime": since_ms, "limit": _MARK_PAGE},
            _MARK_WEIGHT,
        )  # fmt: skip
        page = _bars(rows, symbol, span_ms)
        found.update({b.open_ms: b for b in page})
        if len(page) < _MARK_PAGE:
            # The last one is still forming.
            return tuple(found[ms] for ms in sorted(found)[:-1])
        since_ms = page[-1].open_ms + span_ms


async def mark_bar(
    link: CcxtLink, symbol: str, interval: str, span_ms: int, close_ms: int
) -> Bar | None:
    """The bar of the mark price with this close, None where the newest ones hold none.

    Raises:
        VenueUnavailable: No answer, or one that cannot be read.
    """
    rows = await _ask(
        link, "fapiPublicGetMarkPriceKlines",
        {"symbol": symbol, "interval": interval, "limit": _SHORT}, 1,
    )  # fmt: skip
    # Fifty contracts are asked for at a close: nobody needs the bars beside it.
    wanted = [row for row in rows if not _opens_at_another_time(row, close_ms - span_ms)]
    bars = _bars(wanted, symbol, span_ms)
    return bars[-1] if bars else None


def _opens_at_another_time(row: Any, open_ms: int) -> bool:
    return isinstance(row, list) and bool(row) and row[0] != open_ms


def _bars(rows: Sequence[Any], symbol: str, span_ms: int) -> list[Bar]:
    try:
        # Mark prices have no volume; the column holds whatever the venue puts there.
        return [bar_of([*row[:5], 0.0], symbol, span_ms) for row in rows]
    except (UnreadableBar, TypeError) as error:
        raise VenueUnavailable(f"mark price {symbol}: {error}") from error


def _stamp(row: Any, symbol: str) -> tuple[int, float]:
    try:
        stamp, rate = int(row["fundingTime"]), float(row["fundingRate"])
    except (KeyError, TypeError, ValueError) as error:
        raise VenueUnavailable(f"funding {symbol}: cannot be read: {row!r:.120}") from error
    if not math.isfinite(rate):
        raise VenueUnavailable(f"funding {symbol}: no rate: {row!r:.120}")
    return stamp, rate


async def _ask(link: CcxtLink, method: str, params: dict[str, Any], weight: int) -> list[Any]:
    try:
        rows = await link.call(method, params, weight=weight, kind=list, patience_s=30.0)
    except CallFailed as error:
        raise VenueUnavailable(f"{method} {params.get('symbol', '')}: {error}") from error
    return list(rows)
