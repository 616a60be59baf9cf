"""A snapshot as a screen: pure, so that a recorded one can be drawn again."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from runtime.display.snapshot import Snapshot
from runtime.display.words import SIDES, money, price, signed_style, sparkline, thinned, utc

_CURVE_WIDTH = 60
_TWO_COLUMNS = 100
_NUMBERS = ("qty", "entry", "mark", "stop", "target", "R", "net", "weight", "believed", "Brier")
_WIDE = ("qty", "mark", "target")
"""Columns of the positions that a narrow terminal has no room for."""


def render(shot: Snapshot, width: int = 120) -> RenderableType:
    """The whole screen, in two columns where ``width`` has room for them."""
    left = (_decisions(shot), _trades(shot))
    right = (_models(shot), _learning(shot), _state(shot))
    wide = width >= _TWO_COLUMNS
    parts: list[RenderableType] = [_account(shot), _positions(shot, wide)]
    if wide:
        body = Table.grid(padding=(0, 2), expand=True)
        body.add_column(ratio=3)
        body.add_column(ratio=2)
        body.add_row(Group(*left), Group(*right))
        parts.append(body)
    else:
        parts += [*left, *right]
    title = f"[bold]{shot.title}[/bold]"
    return Panel(Group(*parts), title=title, subtitle="Ctrl-C stops it in order")


def _account(shot: Snapshot) -> RenderableType:
    gain = shot.equity - shot.start
    done = f"bar {shot.bars:,}"
    if shot.most_bars:
        done += f" of {shot.most_bars:,}"
    head = Text.assemble(
        (f"{shot.equity:,.2f}", "bold"), " quote  ", (money(gain), signed_style(gain)),
        f"   {utc(shot.now_ns)} UTC, {done}",
    )  # fmt: skip
    curve = sparkline(thinned(shot.curve, _CURVE_WIDTH), _CURVE_WIDTH)
    t = shot.totals
    said = (
        f"{t.trades} trades, {t.wins} won, {t.r:+.2f} R, fees {t.fees:,.2f}, "
        f"deepest fall {t.deepest:.2%}"
    )
    return Group(head, Text(curve, style="cyan"), Text(said, style="dim"))


def _positions(shot: Snapshot, wide: bool) -> RenderableType:
    names = ("symbol", "side", "qty", "entry", "mark", "stop", "target", "R", "protected")
    shown = [n for n in names if wide or n not in _WIDE]
    table = _table("Positions", *shown)
    for p in shot.positions:
        cells: dict[str, RenderableType] = {
            "symbol": p.symbol, "side": SIDES[p.side], "qty": f"{p.qty:g}",
            "entry": price(p.entry), "mark": price(p.mark), "stop": price(p.stop),
            "target": price(p.target), "R": Text(f"{p.r:+.2f}", style=signed_style(p.r)),
            "protected": Text(p.protection, style="green" if p.safe else "bold red"),
        }  # fmt: skip
        table.add_row(*(cells[n] for n in shown))
    if not shot.positions:
        table.add_row("[dim]none[/dim]")
    return table


def _decisions(shot: Snapshot) -> RenderableType:
    table = _table("Last decisions", "bar", "symbol", "side", "size, exit", "what became of it")
    for d in reversed(shot.decisions[-5:]):
        became = Text(
            d.reason.lower().replace("_", " ") if d.reason else "sent",
            style="dim" if d.reason else "",
        )
        when = utc(d.time_ns, "%m-%d %H:%M")
        table.add_row(when, d.symbol, SIDES[d.side], d.action, became)
    return table


def _trades(shot: Snapshot) -> RenderableType:
    table = _table("Last closed trades", "closed", "symbol", "side", "net", "R", "by")
    for t in reversed(shot.trades[-5:]):
        style = signed_style(t.net)
        table.add_row(
            utc(t.time_ns, "%m-%d %H:%M"), t.symbol, SIDES[t.side], Text(money(t.net), style=style),
            Text(f"{t.r:+.2f}", style=style), t.reason,
        )  # fmt: skip
    return table


def _models(shot: Snapshot) -> RenderableType:
    table = _table("Models", "model", "weight", "believed", "Brier")
    for m in shot.models:
        brier = f"{m.brier:.4f}" if m.samples > 0 and m.brier == m.brier else "-"
        table.add_row(m.name, f"{m.weight:.3f}", f"{m.scaler:.2f}", brier)
    return table


def _learning(shot: Snapshot) -> RenderableType:
    x = shot.learned
    table = _pairs("Learned")
    if not x.on:
        table.add_row("[dim]learning is off[/dim]", "")
        return table
    table.add_row("forecasts", f"{x.labels:,}")
    table.add_row("decisions", f"{x.resolved:,}")
    table.add_row("last", x.last or "-")
    changed = x.digest_now != x.digest_then
    arrow = f"{x.digest_then[:8]} -> {x.digest_now[:8]}" if changed else x.digest_now[:8]
    table.add_row("table", arrow or "-")
    return table


def _state(shot: Snapshot) -> RenderableType:
    table = _pairs("State")
    table.add_row("emergency stop", Text(shot.gate, style="green" if shot.gate_open else "red"))
    for h in shot.health:
        table.add_row(h.name, Text(h.detail, style="green" if h.well else "bold red"))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None,
                  padding=(0, 1), pad_edge=False, expand=True, header_style="dim")  # fmt: skip
    for name in columns:
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    return table


def _pairs(title: str) -> Table:
    table = _table(title)
    table.add_column(no_wrap=True, min_width=14)
    table.add_column(ratio=1, overflow="fold")
    table.show_header = False
    return table
