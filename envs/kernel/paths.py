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
    o, h, low, c = piece_of(m, t, s, part, fine)
    side = wide(slot.side)
    to = int(signed_vertex(index, side, slot.adverse, o, h, low, c))
    row = m.rows
    parts = m.detail.shape[2]
    if fine and parts > 1:
        b0 = row[t, s, MARK_OPEN] - row[t, s, OPEN]
        b_low = row[t, s, MARK_LOW] - row[t, s, LOW]
        b_high = row[t, s, MARK_HIGH] - row[t, s, HIGH]
        b3 = row[t, s, MARK_CLOSE] - row[t, s, CLOSE]
        fraction = (part + index / 3.0) / parts
        if row[t, s, CLOSE] >= row[t, s, OPEN]:
            basis = basis_at(fraction, b0, b_low, b_high, b3)
        else:
            basis = basis_at(fraction, b0, b_high, b_low, b3)
        return to, to + side * basis
    mark = signed_vertex(
        index, side, slot.adverse, row[t, s, MARK_OPEN], row[t, s, MARK_HIGH],
        row[t, s, MARK_LOW], row[t, s, MARK_CLOSE],
    )  # fmt: skip
    return to, mark
