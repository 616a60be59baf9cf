"""The outcome of a comparison for a person, and as JSON for a program."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from runtime.parity.compare import Comparison, Difference
from runtime.parity.tale import Tale

_NS_PER_S = 1_000_000_000
_MOST_FIELDS = 40
_MOST_VALUES = 12


def instant(time_ns: int) -> str:
    """UTC time to the millisecond."""
    moment = datetime.fromtimestamp(time_ns // _NS_PER_S, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{time_ns % _NS_PER_S // 1_000_000:03d}Z"


def shown(value: Any) -> str:
    """A value to its last digit; of a long array the first numbers and its length."""
    if isinstance(value, np.ndarray):
        flat = value.ravel()
        numbers = ", ".join(repr(x) for x in flat[:_MOST_VALUES].tolist())
        more = f", ... ({flat.size})" if flat.size > _MOST_VALUES else ""
        return f"[{numbers}{more}]"
    return value if isinstance(value, str) else repr(value)


def print_tales(console: Console, tales: Sequence[Tale]) -> None:
    """What every face did, side by side."""
    table = Table(title="Faces")
    table.add_column("")
    for tale in tales:
        table.add_column(tale.face, justify="right")
    counts = [tale.counts() for tale in tales]
    names = list(dict.fromkeys(name for count in counts for name in count))
    for name in names:
        table.add_row(name, *(f"{count.get(name, 0):,}" for count in counts))
    table.add_row("final cash (1e-8)", *(f"{tale.cash_units:,}" for tale in tales))
    table.add_row("seconds", *(f"{tale.seconds:.1f}" for tale in tales))
    console.print(table)
    for tale in tales:
        for name, note in tale.notes.items():
            console.print(f"{tale.face}: {name}: {note}")
        for alarm in tale.alarms[:5]:
            console.print(f"[yellow]{tale.face}: alarm: {alarm}[/yellow]")


def print_comparison(console: Console, found: Comparison) -> None:
    """Lines and differences by chapter, and the first difference of all with both sides."""
    table = Table(title=f"{found.left} against {found.right}")
    table.add_column("chapter")
    table.add_column("lines", justify="right")
    table.add_column("differences", justify="right")
    for chapter, lines in found.lines.items():
        different = found.differences[chapter]
        colour = "red" if different else "green"
        table.add_row(chapter, f"{lines:,}", f"[{colour}]{different:,}[/{colour}]")
    console.print(table)
    if found.first is not None:
        print_difference(console, found, found.first)


def print_difference(console: Console, found: Comparison, first: Difference) -> None:
    """One difference, field by field."""
    title = f"First difference: {first.chapter}, {instant(first.time_ns)}, {first.what}"
    table = Table(title=title, title_justify="left", show_lines=True)
    for name in ("field", found.left, found.right):
        table.add_column(name, overflow="fold")
    for name, left, right in first.fields[:_MOST_FIELDS]:
        table.add_row(name, shown(left), shown(right))
    console.print(table)
    if len(first.fields) > _MOST_FIELDS:
        console.print(f"... and {len(first.fields) - _MOST_FIELDS} more fields")


def to_json(tales: Sequence[Tale], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Everything printed, as JSON values."""
    return {
        "equal": all(c.equal for c in comparisons),
        "faces": [
            {
                "face": t.face, "seconds": round(t.seconds, 3), "counts": t.counts(),
                "cash_units": t.cash_units, "digests": t.digests, "notes": t.notes,
                "alarms": t.alarms,
            }
            for t in tales
        ],
        "comparisons": [
            {
                "left": c.left, "right": c.right, "lines": c.lines, "differences": c.differences,
                "first": None if c.first is None else _difference_json(c.first),
            }
            for c in comparisons
        ],
    }  # fmt: skip


def _difference_json(d: Difference) -> dict[str, Any]:
    return {
        "chapter": d.chapter, "time": instant(d.time_ns), "time_ns": d.time_ns, "what": d.what,
        "fields": [
            {"field": name, "left": shown(left), "right": shown(right)}
            for name, left, right in d.fields
        ],
    }  # fmt: skip
