"""Tables of the programs: in the terminal (rich) and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_NARROW = 100


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; line breaks in the head become blanks."""
    flat = " | ".join(name.replace("\n", " ") for name in head)
    lines = [f"| {flat} |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(cells) + " |" for cells in rows]


def print_table(
    console: Console, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """A table whose figures are never cut: where it is too wide, the first column folds."""
    narrow = console.width < _NARROW
    table = Table(
        header_style="bold", box=SIMPLE_HEAD, show_edge=False, pad_edge=False,
        padding=(0, 0) if narrow else (0, 1),
    )  # fmt: skip
    for i, name in enumerate(head):
        text = i == 0 or not any(c.isdigit() for cells in rows for c in cells[i])
        table.add_column(
            name, justify="left" if text else "right", no_wrap=i > 0, overflow="fold"
        )  # fmt: skip
    for cells in rows:
        shown = [escape(c) for c in cells]
        if narrow:
            shown[0] = shown[0].replace("best constant", "best")
        table.add_row(*shown, style="bold green" if cells[0] == "agent" else None)
    console.print()
    console.print(escape(title), highlight=False, style="italic")
    console.print(table)
