"""The ladder of one decision as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agents.sizing.explain import Explanation, Rung
from training.inputs import iso

_BEST = 12
_SIZE = ("planned", "allowed", "fees", "liq.")
_WORTH = ("expected", "prior", "learned", "score")
_SEEN = ("rows", "effective")
_LIMITS = "limits"
_WIDE = 140
_SIZES = (
    "planned, allowed: notional in quote before and after caps and steps; fees: both ways with "
    "slippage, bps of equity; "
    "liq.: distance of the liquidation price over that of the stop; "
)
_NOTE = (
    f"{_SIZES}expected, prior, learned, score: bps of equity (score: lower bound, less the Kelly "
    "charge); rows, effective: seen in this state / (regime, confidence) / regime."
)
_NOTE_CLASSIC = (
    f"{_SIZES}expected, learned, score: action values, 1e-4 of the reward, what follows included; "
    "this learner has no lower bound; rows: updates in this state."
)


def print_explanation(console: Console, e: Explanation, every: bool = False) -> None:
    """Print situation, plan, ladder and outcome; ``every`` action or the best dozen."""
    side = "LONG" if e.side > 0 else "SHORT"
    console.print(
        f"[bold]{escape(e.symbol)} {side} at {iso(e.bar_close_ns)}[/bold]  price {e.price:g}, "
        f"equity {e.equity:,.2f}, free margin {e.free_margin:,.2f}; agent {e.agent}, preset "
        f"{e.preset}"
    )
    console.print(
        f"expected move {_bps(e.ev)} bps, round trip {_bps(e.round_trip)} bps, confidence "
        f"{e.confidence:.2f}, ATR {100 * e.atr_frac:.2f} %; state {' | '.join(e.state.values())}"
    )
    for plan in e.exits:
        if plan.reason:
            console.print(f"{plan.exit}: stop {100 * plan.stop_frac:.2f} %, {plan.reason}")
            continue
        console.print(
            f"{plan.exit}: stop {100 * plan.stop_frac:.2f} %, plan margin {plan.margin:,.2f} "
            f"({', '.join(plan.plan_limits)}), caps: margin {plan.max_margin:,.2f}, notional "
            f"{plan.max_notional:,.2f}"
        )
    if e.plan:
        console.print(f"mathematician: {escape(e.plan)}")
    rungs = e.rungs if every else e.best(_BEST)
    wide = console.width >= _WIDE
    narrow = ((*_SIZE, _LIMITS), _WORTH, _SEEN)
    for columns in ((*_SIZE, *_WORTH, *_SEEN, _LIMITS),) if wide else narrow:
        console.print(_table(columns, rungs))
    _print_rest(console, e, len(rungs))
    console.print(_NOTE_CLASSIC if _is_classic(e) else _NOTE, style="dim")
    for line in outcome_of(e):
        console.print(line)


def outcome_of(e: Explanation) -> list[str]:
    """Say what became of the decision in plain words."""
    wish = e.rungs[e.would_choose].label if e.would_choose is not None else "nothing"
    lines = []
    if e.blocked:
        lines.append(f"Not decided: {e.blocked}. The agent would have taken {wish}.")
    elif e.executed > 0.0:
        lines.append(f"Chosen: {wish}; ordered notional {e.executed:,.2f}.")
    else:
        lines.append(f"Chosen: {wish}; nothing ordered ({e.reason}).")
    lines += [f"gate {name} ({point}): {escape(said)}" for name, point, said in e.effects]
    return lines


def _is_classic(e: Explanation) -> bool:
    return all(len(r.value.visits) == 1 for r in e.rungs)


def _print_rest(console: Console, e: Explanation, shown: int) -> None:
    if shown == len(e.rungs):
        return
    masked: dict[str, int] = {}
    for rung in e.rungs:
        if rung.masked:
            masked[rung.mask_reason] = masked.get(rung.mask_reason, 0) + 1
    counts = ", ".join(f"{n} {reason}" for reason, n in masked.items()) or "none"
    console.print(
        f"{shown} of {len(e.rungs)} actions shown, --all shows every one; masked: {counts}"
    )


def _table(columns: Sequence[str], rungs: Sequence[Rung]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("action", no_wrap=True)
    for name in columns:
        text = name == _LIMITS
        table.add_column(name, justify="left" if text else "right", no_wrap=not text)
    for rung in rungs:
        cells = _cells(rung)
        shown = (cells[name] for name in columns)
        mark = ">" if rung.chosen else ""
        table.add_row(mark, rung.label, *shown, style="bold" if rung.chosen else "")
    return table


def _cells(r: Rung) -> dict[str, str]:
    v = r.value
    near = f"{r.liquidation_frac / r.stop_frac:.1f}x" if r.stop_frac > 0.0 and r.size else "-"
    return {
        "planned": f"{r.planned:,.0f}", "allowed": f"{r.allowed:,.0f}", "fees": _bps(r.fee_drag),
        "liq.": near, "expected": _bps(v.expected), "prior": _bps(v.prior),
        "learned": _bps(v.learned), "score": _bps(v.score), "rows": _counts(v.visits),
        "effective": _counts(v.effective),
        _LIMITS: r.mask_reason if r.masked else ", ".join(r.limits),
    }  # fmt: skip


def _bps(x: float | None) -> str:
    if x is None:
        return "-"
    return f"{1e4 * x:.2f}" if abs(x) < float("inf") else "none"


def _counts(n: tuple[float, ...]) -> str:
    return "/".join(f"{x:.0f}" for x in n) or "-"
