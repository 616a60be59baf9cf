"""The end of a run in tables: what was traded, decided and learned, and where it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from runtime.display.snapshot import Snapshot
from runtime.display.words import SIDES, money, price, utc

_REASONS = 8


@dataclass(frozen=True)
class Ending:
    """What the snapshot does not know of a run's end.

    ``notes`` are sentences that must not be missed; ``files`` what there is to look at.
    """

    ended: str
    seconds: float
    from_ns: int
    closes_a_second: float = 0.0
    notes: Sequence[str] = ()
    files: Sequence[tuple[str, Path | str]] = ()


def summary(shot: Snapshot, end: Ending) -> RenderableType:
    """Tables of a finished run."""
    parts: list[RenderableType] = [_result(shot, end), _decided(shot), _learned(shot)]
    if shot.positions:
        parts.append(_left(shot))
    parts += [Text(f"- {note}") for note in end.notes]
    parts.append(_files(end))
    return Group(*parts)


def _result(shot: Snapshot, end: Ending) -> RenderableType:
    t, gain = shot.totals, shot.equity - shot.start
    frac = gain / shot.start if shot.start > 0.0 else 0.0
    rate = f", {end.closes_a_second:,.0f} bar closes a second" if end.closes_a_second else ""
    table = _table(f"{shot.title}: {end.ended}", "", "")
    rows = (
        ("time", f"{utc(end.from_ns)} to {utc(shot.now_ns)} UTC, {shot.bars:,} bar closes in "
                 f"{end.seconds:,.1f} s{rate}"),
        ("equity", f"{shot.start:,.2f} -> {shot.equity:,.2f} quote ({money(gain)}, {frac:+.2%})"),
        ("closed trades", f"{t.trades:,}, {t.wins:,} with profit"),
        ("net of closed trades", f"{money(t.net)} quote, {_r(t.r, t.trades)}"),
        ("fees paid", f"{t.fees:,.2f} quote"),
        ("funding", f"{money(t.funding)} quote (paid negative)"),
        ("deepest fall of equity", f"{t.deepest:.2%} (at bar closes)"),
        ("ended by", ", ".join(f"{name.lower()} {n}" for name, n in t.exits) or "-"),
        ("liquidations", f"{t.forced}"),
    )  # fmt: skip
    for name, text in rows:
        table.add_row(name, text)
    return table


def _r(total: float, trades: int) -> str:
    return f"{total:+.2f} R, {total / trades:+.3f} R a trade" if trades else "no trade"


def _decided(shot: Snapshot) -> RenderableType:
    if not shot.totals.decisions:
        return Text("No bar held a candidate, so nothing was decided.\n")
    table = _table(f"{shot.totals.decisions:,} decisions", "what became of them", "count")
    for reason, n in shot.totals.reasons[:_REASONS]:
        table.add_row(reason.lower().replace("_", " "), f"{n:,}")
    rest = sum(n for _, n in shot.totals.reasons[_REASONS:])
    if rest:
        table.add_row("other reasons", f"{rest:,}")
    return table


def _learned(shot: Snapshot) -> RenderableType:
    x = shot.learned
    if not x.on:
        return Text("Learning was off: both agents are as the bundle has them.")
    table = _table("What was learned", "", "")
    table.add_row("forecasts resolved", f"{x.labels:,}")
    table.add_row("decisions resolved", f"{x.resolved:,} (traded or not, each learned once)")
    changed = x.digest_now != x.digest_then
    table.add_row(
        "sizing table", f"{x.digest_then[:12]} -> {x.digest_now[:12]}" if changed else "unchanged"
    )
    table.add_row("model weights", ", ".join(f"{m.name} {m.weight:.3f}" for m in shot.models))
    return table


def _left(shot: Snapshot) -> RenderableType:
    table = _table("Positions left open", "symbol", "side", "qty", "entry", "stop", "protected")
    for p in shot.positions:
        table.add_row(p.symbol, SIDES[p.side], f"{p.qty:g}", price(p.entry), price(p.stop),
                      p.protection)  # fmt: skip
    return table


def _files(end: Ending) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row("[bold]Files[/bold]", "")
    for what, path in end.files:
        table.add_row(f"  {what}", Text(str(path), overflow="fold"))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE,
                  show_header=any(columns))  # fmt: skip
    for k, name in enumerate(columns):
        table.add_column(name, justify="right" if name == "count" else "left", no_wrap=k == 0)
    return table
