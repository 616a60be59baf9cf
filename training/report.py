"""The final table and its plain words: terminal (rich), JSON and Markdown from one evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from rich.console import Console

from envs.core.types import SizingRegime
from envs.market.report import REPORT_HEADER, MarketReport
from training.evaluation import Direction, Evaluation, Row
from training.occupancy import Occupancy, remarks
from training.selection import Score, Selection
from training.tables import markdown_table, print_table

_AXES = {
    "regime": tuple(r.name.lower() for r in SizingRegime if r >= 0),
    "confidence": ("very_low", "low", "medium", "high", "very_high"),
    "exposure": ("light", "moderate", "heavy", "max"),
    "performance": ("bad", "neutral", "good"),
}
_HEAD = ("policy", "bps/cand.", "agent minus it (95 %)", "growth", "max DD", "trades")
_ALGORITHM_HEAD = (
    "algorithm", "Brier", "minus uniform, 1e-4", "regret", "bound", "trades"
)  # fmt: skip
_DATA_HEAD = ("symbol", "from", "to", "bars", "missing", "usable", "default funding")
_COST_HEAD = ("policy", "gross", "fees", "slip.", "funding", "liquid.", "net", "months")
_DIRECTION_HEAD = ("exit", "confidence", "candidates", "mean", "95 %")
_DIRECTION = "Direction: (this side - opposite)/2, bps of notional, free of drift and cost"
_COSTS = "Costs in quote, slippage within gross; months to tell the difference from 0"
_ACTIONS = "Actions of the agent, % of its decisions"


def print_evaluation(console: Console, result: Evaluation, title: str) -> None:
    """Print the table of policies, the direction statistic and the verdicts in words."""
    print_table(console, title, _HEAD, [_cells(row) for row in result.rows])
    print_table(console, _COSTS, _COST_HEAD, [_cost_cells(row) for row in result.rows])
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
    print_table(console, _DIRECTION, _DIRECTION_HEAD, [_direction_cells(d) for d in rows if d.n])


def print_data(console: Console, report: MarketReport) -> None:
    """What the bars are and what a user should know of their defects."""
    shown = [REPORT_HEADER.index(name) for name in _DATA_HEAD]
    rows = [[row[i] for i in shown] for row in report.rows()]
    print_table(console, "Bars", _DATA_HEAD, rows)


def print_occupancy(console: Console, found: Mapping[str, Occupancy], min_edge: float) -> None:
    """Share of every value of every state axis, candidates beside all bars, per span."""
    head, rows = occupancy_table(found)
    print_table(console, "States of the sizing agent, % of the rows of a span", head, rows)
    for line in occupancy_remarks(found, min_edge):
        console.print(line)


def actions_table(
    found: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the shares of ``action_shares`` per span, in percent."""
    rows = []
    first = next(iter(found.values()))
    for axis, names in first.items():
        for i, name in enumerate(names):
            shares = [f"{100 * span[axis][name]:.1f}" for span in found.values()]
            rows.append([axis if i == 0 else "", name, *shares])
    return ["axis", "action", *found], rows


def print_actions(console: Console, found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """What the agent chose, per span."""
    head, rows = actions_table(found)
    print_table(console, _ACTIONS, head, rows)


def actions_markdown(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """The same in Markdown."""
    return "\n".join(["", f"{_ACTIONS}:", "", *markdown_table(*actions_table(found))]) + "\n"


def occupancy_table(found: Mapping[str, Occupancy]) -> tuple[list[str], list[list[str]]]:
    """Head and rows: axis, value, then candidates and bars of each span; "-" needs an account."""
    head = ["axis", "value", *(f"{span}\n{what}" for span in found for what in ("cand.", "bars"))]
    rows = []
    for axis, values in _AXES.items():
        for i, name in enumerate(values):
            row = [axis if i == 0 else "", name]
            for o in found.values():
                bars = o.bars.get(axis)
                row += [
                    f"{100 * o.candidates[axis][i]:.1f}",
                    f"{100 * bars[i]:.1f}" if bars else "-",
                ]
            rows.append(row)
    return head, rows


def occupancy_remarks(found: Mapping[str, Occupancy], min_edge: float) -> list[str]:
    """Plain sentences per span on confidences that no candidate can hold."""
    return [f"{span}: {line}" for span, o in found.items() for line in remarks(o, min_edge)]


def occupancy_markdown(found: Mapping[str, Occupancy], min_edge: float) -> str:
    """The same in Markdown."""
    head, rows = occupancy_table(found)
    return (
        "\n".join(["", *markdown_table(head, rows), "", *occupancy_remarks(found, min_edge)]) + "\n"
    )


def print_selection(console: Console, selection: Selection, wanted: str) -> None:
    """Print the weight algorithms' Brier scores and what ``auto`` would take."""
    title = f"Weight algorithms, mean Brier of {selection.forecasts} training forecasts"
    print_table(console, title, _ALGORITHM_HEAD, [_score_cells(x) for x in selection.scores])
    console.print(selection.remark(wanted))


def selection_markdown(selection: Selection, wanted: str) -> str:
    """The same in Markdown."""
    lines = markdown_table(_ALGORITHM_HEAD, [_score_cells(x) for x in selection.scores])
    return "\n".join(["", *lines, "", selection.remark(wanted)]) + "\n"


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
    lines = markdown_table(_HEAD, [_cells(row) for row in result.rows])
    lines += ["", f"{_COSTS}:", ""]
    lines += markdown_table(_COST_HEAD, [_cost_cells(row) for row in result.rows])
    lines += ["", *[f"- {v}" for v in verdicts(result)], "", f"{_DIRECTION}:", ""]
    lines += markdown_table(_DIRECTION_HEAD, [_direction_cells(d) for d in result.direction if d.n])
    return "\n".join(lines) + "\n"


def _direction_cells(d: Direction) -> list[str]:
    high = "" if d.high == float("inf") else f"{d.high:g}"
    span = f"{d.value.low:+.1f} .. {d.value.high:+.1f}"
    return [d.exit, f"[{d.low:g}, {high})", str(d.n), f"{d.value.mean:+.1f}", span]


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
