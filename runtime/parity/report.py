"""The outcome of a comparison for a person, and as JSON for a program."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from envs.core.settings import CoreSettings
from envs.core.types import EntryStyle, IntrabarRule
from runtime.parity.compare import Comparison, Difference
from runtime.parity.ground import Field, ParityPlan
from runtime.parity.tale import BOOKS, Tale

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


def print_notes(console: Console, plan: ParityPlan, field: Field) -> None:
    """What is compared, and which of its settings are known to differ by design."""
    market = field.data.market
    first, last = (instant(int(market.close_ns[r])) for r in (field.first_row, field.last_row))
    console.print(
        f"{', '.join(market.symbols)}: {field.bars:,} bars after {first}, to {last}; policy "
        f"{plan.policy}, learning {'on' if plan.learn else 'off'}",
        soft_wrap=True,
    )  # fmt: skip
    for note in by_design(plan.settings.core):
        console.print(f"[yellow]differs by design: {note}[/yellow]", soft_wrap=True)


def by_design(settings: CoreSettings) -> list[str]:
    """Settings under which an environment does what no client of an exchange can do."""
    entry, notes = settings.entry, []
    if entry.style is EntryStyle.POST_ONLY:
        notes.append(
            "QT_ENTRY_STYLE=post_only: an entry that fills inside a piece of a bar's path is "
            "protected at once in the environment, at the next vertex by a trader on an exchange; "
            "a difference that begins with such an entry is this one"
        )
    if entry.intrabar is not IntrabarRule.PATH:
        notes.append(
            f"QT_INTRABAR_RULE={entry.intrabar.name.lower()}: the exchange walks bars by the path "
            "rule only"
        )
    return notes


def print_tales(console: Console, tales: Sequence[Tale]) -> None:
    """What every face did, side by side."""
    table = Table(title="Faces")
    table.add_column("")
    for tale in tales:
        table.add_column(tale.face, justify="right", overflow="fold")
    books = [tale.counts() if tale.tells >= BOOKS else {"bars": tale.bars} for tale in tales]
    names = list(dict.fromkeys(name for count in books for name in count))
    for name in names:
        row = [
            f"{count.get(name, 0):,}" if tale.tells >= BOOKS or name in count else ""
            for tale, count in zip(tales, books, strict=True)
        ]
        table.add_row(name, *row)
    table.add_row("cash, 1e-8 quote", *(str(tale.cash_units) for tale in tales))
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


def to_json(
    tales: Sequence[Tale], comparisons: Sequence[Comparison], settings: CoreSettings
) -> dict[str, Any]:
    """Everything printed, as JSON values."""
    return {
        "by_design": by_design(settings),
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
