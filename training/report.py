"""The final table and its plain words: terminal (rich), JSON and Markdown from one evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from envs.core.types import SizingRegime
from envs.market.report import REPORT_HEADER, MarketReport
from training.evaluation import Direction, Evaluation, Row
from training.selection import Score, Selection

_AXES = {
    "regime": tuple(r.name.lower() for r in SizingRegime if r >= 0),
    "confidence": ("very_low", "low", "medium", "high", "very_high"),
    "exposure": ("light", "moderate", "heavy", "max"),
    "performance": ("bad", "neutral", "good"),
}
_HEAD = ("policy", "bps/cand.", "agent minus it (95 %)", "log growth", "max DD", "trades")
_ALGORITHM_HEAD = (
    "algorithm", "Brier", "minus uniform, 1e-4", "regret", "bound", "trades"
)  # fmt: skip
_DATA_HEAD = ("symbol", "from", "to", "bars", "missing", "usable", "default funding")
_SHORT = {"missing": "gaps", "default funding": "default fund."}
_COST_HEAD = ("policy", "gross", "fees", "slippage", "funding", "liquid.", "net", "months")


def print_evaluation(console: Console, result: Evaluation, title: str) -> None:
    """Print the table of policies, the direction statistic and the verdicts in words."""
    _print_rows(console, title, _HEAD, [_cells(row) for row in result.rows])
    note = "Costs in quote (slippage is part of gross); months needed to tell the difference from 0"
    _print_rows(console, note, _COST_HEAD, [_cost_cells(row) for row in result.rows])
    console.print(
        f"{result.candidates} candidates over {result.months:.1f} months; the agent "
        f"({result.agent}) opened a position in {100 * result.traded_share:.1f} % of its "
        "decisions. "
        f"Buy and hold: log growth {result.buy_and_hold:+.3f}."
    )
    print_direction(console, result.direction)
    for line in verdicts(result):
        console.print(line)


def print_direction(console: Console, rows: Sequence[Direction]) -> None:
    """Direction statistic per exit and confidence bin."""
    table = Table(
        title="Direction: (this side - opposite side)/2, bps of notional, free of drift and cost",
        title_justify="left", header_style="bold",
    )  # fmt: skip
    for name in ("exit", "confidence", "candidates", "mean", "95 %"):
        table.add_column(name, justify="left" if name == "exit" else "right")
    for d in rows:
        if d.n == 0:
            continue
        high = "" if d.high == float("inf") else f"{d.high:g}"
        table.add_row(
            d.exit,
            f"[{d.low:g}, {high})".replace("[", r"\["),
            str(d.n),
            f"{d.value.mean:+.1f}",
            f"{d.value.low:+.1f} .. {d.value.high:+.1f}",
        )
    console.print(table)


def print_data(console: Console, report: MarketReport) -> None:
    """What the bars are and what a user should know of their defects."""
    shown = [REPORT_HEADER.index(name) for name in _DATA_HEAD]
    rows = [[row[i] for i in shown] for row in report.rows()]
    _print_rows(console, "Bars", [_SHORT.get(name, name) for name in _DATA_HEAD], rows)


def print_occupancy(console: Console, shares: dict[str, list[float]], title: str) -> None:
    """Share of rows in every value of every state axis."""
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("axis")
    table.add_column("share of candidates in each value")
    for axis, values in shares.items():
        named = ", ".join(f"{n} {100 * v:.1f} %" for n, v in zip(_AXES[axis], values, strict=True))
        table.add_row(axis, named)
    console.print(table)


def print_selection(console: Console, selection: Selection, wanted: str) -> None:
    """Print the weight algorithms' Brier scores and what ``auto`` would take."""
    title = f"Weight algorithms, mean Brier of {selection.forecasts} training forecasts"
    _print_rows(console, title, _ALGORITHM_HEAD, [_score_cells(x) for x in selection.scores])
    console.print(selection.remark(wanted))


def selection_markdown(selection: Selection, wanted: str) -> str:
    """The same in Markdown."""
    lines = ["", "| " + " | ".join(_ALGORITHM_HEAD) + " |", "|" + "---|" * len(_ALGORITHM_HEAD)]
    lines += ["| " + " | ".join(_score_cells(x)) + " |" for x in selection.scores]
    return "\n".join([*lines, "", selection.remark(wanted)]) + "\n"


def verdicts(result: Evaluation) -> list[str]:
    """One plain sentence per baseline: what the interval allows to say."""
    out = []
    for row in result.rows:
        if row.versus is None or row.name.startswith("agent"):
            continue
        v = row.versus
        span = f"{1e4 * v.mean:+.2f} bps a candidate [{1e4 * v.low:+.2f}, {1e4 * v.high:+.2f}]"
        if v.low > 0.0:
            out.append(f"The agent beats {row.name}: {span}.")
        elif v.high < 0.0:
            out.append(f"The agent is WORSE than {row.name}: {span}.")
        else:
            wait = f"{row.months_needed:.0f}" if isfinite(row.months_needed) else "unbounded"
            out.append(
                f"The agent does not beat {row.name}: {span}; about {wait} months like these would "
                "be needed to tell the difference from zero."
            )
    return out


def to_json(result: Evaluation) -> dict[str, Any]:
    """Plain dictionary for metrics.json; what is not finite becomes null."""
    body = {
        "agent": result.agent,
        "months": result.months,
        "candidates": result.candidates,
        "traded_share": result.traded_share,
        "buy_and_hold_log_growth": result.buy_and_hold,
        "policies": [asdict(r) for r in result.rows],
        "direction": [asdict(d) for d in result.direction],
        "constant_actions_mean_reward": result.constants,
        "verdicts": verdicts(result),
    }
    return dict(_finite(body))


def to_markdown(result: Evaluation) -> str:
    """The table of policies in Markdown."""
    lines = ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in result.rows]
    lines += ["", "| " + " | ".join(_COST_HEAD) + " |", "|" + "---|" * len(_COST_HEAD)]
    lines += ["| " + " | ".join(_cost_cells(row)) + " |" for row in result.rows]
    lines += ["", *[f"- {v}" for v in verdicts(result)], ""]
    lines += ["| exit | confidence | candidates | mean bps | 95 % |", "|---|---|---|---|---|"]
    for d in result.direction:
        if d.n:
            lines.append(
                f"| {d.exit} | [{d.low:g}, {d.high:g}) | {d.n} | {d.value.mean:+.1f} | "
                f"{d.value.low:+.1f} .. {d.value.high:+.1f} |"
            )
    return "\n".join(lines) + "\n"


def _print_rows(
    console: Console, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    table = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for i, name in enumerate(head):
        table.add_column(
            name, justify="left" if i == 0 else "right", min_width=len(name) if i else 8
        )
    for cells in rows:
        table.add_row(*cells, style="bold green" if cells[0] == "agent" else None)
    console.print(table)


def _cells(row: Row) -> list[str]:
    versus = "-"
    if row.versus is not None:
        v = row.versus
        versus = f"{1e4 * v.mean:+.2f} [{1e4 * v.low:+.2f}, {1e4 * v.high:+.2f}]"
    return [
        row.name + (" (ruined)" if row.ruined else ""),
        f"{1e4 * row.mean_reward:+.2f}",
        versus,
        f"{row.log_growth:+.3f}",
        f"{100 * row.max_drawdown:.1f} %",
        str(row.trades),
    ]


def _score_cells(x: Score) -> list[str]:
    v, bound = x.minus_uniform, "-" if x.bound is None else f"{x.bound:.3f}"
    gap = "-"
    if x.algorithm != "uniform":
        gap = f"{1e4 * v.mean:+.2f} [{1e4 * v.low:+.2f}, {1e4 * v.high:+.2f}]"
    return [x.algorithm, f"{x.brier:.6f}", gap, f"{x.regret:+.2f}", bound, str(x.trades)]


def _cost_cells(row: Row) -> list[str]:
    c = row.costs
    wait = f"{row.months_needed:.0f}" if isfinite(row.months_needed) else "-"
    liquid = f"{row.liquidations}: {c.liquidation:,.0f}" if row.liquidations else "0"
    return [
        row.name, f"{c.gross:+,.0f}", f"{c.fees:,.0f}", f"{c.slippage:,.0f}", f"{c.funding:+,.0f}",
        liquid, f"{c.net:+,.0f}", wait,
    ]  # fmt: skip


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
