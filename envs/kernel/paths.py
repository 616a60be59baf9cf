"""Where the price walks inside a bar, per symbol: the path and its vertices."""

from __future__ import annotations

from typing import Any

from envs.core.rules.columns import (
    CLOSE,
    HIGH,
    LOW,
    MARK_CLOSE,
    MARK_HIGH,
    MARK_LOW,
    MARK_OPEN,
    OPEN,
)
from envs.core.rules.walk import adverse_first, bar_in_reach, basis_at, signed_vertex
from envs.kernel.account import is_held, wide
from envs.kernel.market import Market, Rules


def piece_of(m: Market, t: int, s: int, part: int, fine: bool) -> tuple[float, float, float, float]:
    """Open, high, low and close (unsigned ticks) of a bar, or of one of its finer bars."""
    if not fine:
        return m.rows[t, s, OPEN], m.rows[t, s, HIGH], m.rows[t, s, LOW], m.rows[t, s, CLOSE]
    d = m.detail
    return (
        float(d[t, s, part, 0]), float(d[t, s, part, 1]), float(d[t, s, part, 2]),
        float(d[t, s, part, 3]),
    )  # fmt: skip


def choose_path(
    m: Market, r: Rules, acc: Any, slot: Any, t: int, s: int, part: int, fine: bool
) -> None:
    """Whether the slot meets its adverse extreme first."""
    o, h, low, c = piece_of(m, t, s, part, fine)
    side = wide(slot.side)
    in_reach = True
    if is_held(acc, s):
        high_mark, low_mark = m.rows[t, s, MARK_HIGH], m.rows[t, s, MARK_LOW]
        if side > 0:
            in_reach = bar_in_reach(wide(slot.stop), slot.liq, low, h, low_mark, high_mark)
        else:
            in_reach = bar_in_reach(wide(slot.stop), slot.liq, -h, -low, -high_mark, -low_mark)
    slot.adverse = adverse_first(side, o, c, r.intrabar, in_reach)


def vertex_of(
    m: Market, slot: Any, t: int, s: int, part: int, fine: bool, index: int
) -> tuple[int, float]:
    """Signed last price and mark at a vertex."""
    side = wide(slot.side)
    if not fine or m.detail.shape[2] <= 1:
        return glanced_vertex(m, slot, t, s, index)
    o, h, low, c = piece_of(m, t, s, part, fine)
    to = int(signed_vertex(index, side, slot.adverse, o, h, low, c))
    row = m.rows[t, s]
    b0 = row[MARK_OPEN] - row[OPEN]
    b_low = row[MARK_LOW] - row[LOW]
    b_high = row[MARK_HIGH] - row[HIGH]
    b3 = row[MARK_CLOSE] - row[CLOSE]
    fraction = (part + index / 3.0) / m.detail.shape[2]
    if row[CLOSE] >= row[OPEN]:
        basis = basis_at(fraction, b0, b_low, b_high, b3)
    else:
        basis = basis_at(fraction, b0, b_high, b_low, b3)
    return to, to + side * basis


def glanced_vertex(m: Market, slot: Any, t: int, s: int, index: int) -> tuple[int, float]:
    """Vertex of a whole bar: the path's own, its extremes exchanged for a pessimistic position."""
    g, side = m.glances[s, t], wide(slot.side)
    up = g.close >= g.open
    if index == 0:
        return side * wide(g.open), side * g.mark0
    if index == 3:
        return side * wide(g.close), side * g.mark3
    first = (index == 1) == (slot.adverse == (up == (side > 0)))
    ticks = wide(g.low) if first == up else wide(g.high)
    return side * ticks, side * (g.mark1 if first else g.mark2)
