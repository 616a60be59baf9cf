"""Times, sides, money and sparklines as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from envs.core.types import NS_PER_SECOND

_BLOCKS = "▁▂▃▄▅▆▇█"
SIDES = {1: "long", -1: "short", 0: "-"}


def utc(ns: int, form: str = "%Y-%m-%d %H:%M") -> str:
    """UTC time to the minute; a dash for 0."""
    return datetime.fromtimestamp(ns // NS_PER_SECOND, UTC).strftime(form) if ns else "-"


def money(value: float) -> str:
    """Quote with two places and its sign."""
    return f"{value:+,.2f}"


def price(value: float) -> str:
    """A price with as many places as its size asks for; a dash for none."""
    if value <= 0.0 or value != value:
        return "-"
    return f"{value:,.2f}" if value >= 100.0 else f"{value:.6g}"


def signed_style(value: float) -> str:
    """Colour of a gain or loss."""
    return "green" if value > 0.0 else "red" if value < 0.0 else "dim"


def sparkline(values: Sequence[float], width: int) -> str:
    """The last ``width`` values as blocks between their least and greatest."""
    shown = [v for v in values if v == v][-width:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    if high <= low:
        return _BLOCKS[0] * len(shown)
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round((v - low) / (high - low) * top)] for v in shown)


def thinned(values: Sequence[float], width: int) -> list[float]:
    """At most ``width`` values over the whole length, the last one among them."""
    n = len(values)
    if n <= width:
        return list(values)
    return [values[(n - 1) * i // (width - 1)] for i in range(width)]
