"""Tables of a run for the terminal and for the documentation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.framework.metrics import from_json
from benchmarks.framework.targets import TARGETS, against_peers, write_share

SMALL = 1e-2
UNKNOWN = "not measured"


def number(value: float | None) -> str:
    """A figure in four significant digits, large ones with a suffix."""
    if value is None or math.isnan(value):
        return "-"
    for bound, suffix in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= bound:
            return f"{value / {' G': 1e9, ' M': 1e6, ' k': 1e3}[suffix]:.4g}{suffix}"
    return f"{value:.4g}" if abs(value) >= SMALL or value == 0.0 else f"{value:.2e}"


Row = tuple[str, ...]


def rows_of(document: Mapping[str, Any]) -> list[Row]:
    """Scenario, metric, median, extremes, unit, remark of every figure."""
    out: list[Row] = []
    for id_, entry in document["scenarios"].items():
        if "skipped" in entry:
            out.append((id_, "", "", "", "", f"not run: {entry['skipped']}"))
            continue
        first = True
        for name, m in entry["metrics"].items():
            span = f"{number(m['low'])} .. {number(m['high'])}" if m["runs"] > 1 else ""
            remark = f"DISTURBED: {entry['disturbed']}" if first and entry["disturbed"] else ""
            out.append((id_ if first else "", name, number(m["value"]), span, m["unit"], remark))
            first = False
    return out


HEAD: Row = ("scenario", "metric", "median", "fastest and slowest", "unit", "")


def target_rows(document: Mapping[str, Any]) -> list[Row]:
    """Bar, bound, measured, and whether it was reached."""
    found = from_json(document)
    out: list[Row] = []
    for t in TARGETS:
        judged = t.judge(found)
        if judged is None:
            out.append((t.about, number(t.bound), "-", UNKNOWN, t.scenario))
            continue
        value, met = judged
        mark = "reached" if met else "NOT reached"
        if document["scenarios"][t.scenario]["disturbed"]:
            mark += " (disturbed)"
        out.append((t.about, number(t.bound), number(value), mark, t.scenario))
    return out


TARGET_HEAD: Row = ("bar", "bound", "measured", "", "scenario")


def peer_rows(document: Mapping[str, Any]) -> list[Row]:
    """Peer, ours, theirs and their ratio."""
    return [
        (name, number(ours), number(theirs), f"{ratio:.4g} x")
        for name, ours, theirs, ratio in against_peers(from_json(document))
    ]


PEER_HEAD: Row = ("peer", "ours, decisions/s", "theirs, steps/s", "ratio")


def share_rows(document: Mapping[str, Any]) -> list[Row]:
    """Share of the measured write limits."""
    return [
        (id_, f"{rows:.2%}", f"{stream:.2%}")
        for id_, rows, stream in write_share(from_json(document))
    ]


SHARE_HEAD: Row = ("scenario", "of the rows written in cache", "of the rows streamed to memory")


def show(document: Mapping[str, Any], console: Console) -> None:
    """Print everything that a run found."""
    machine = document["machine"]
    console.print(", ".join(f"{k} {v}" for k, v in machine.items() if v), style="dim")
    for title, head, every in sections(document):
        rows = [row for row in every if UNKNOWN not in row]
        if rows:
            table = Table(title=title, title_justify="left")
            for k, name in enumerate(head):
                table.add_column(name, justify="right" if 0 < k < len(head) - 1 else "left")
            for row in rows:
                table.add_row(*row)
            console.print(table)
    for id_, entry in document["scenarios"].items():
        for note in entry.get("notes", ()):
            console.print(f"{id_}: {note}", style="dim", highlight=False)


def sections(document: Mapping[str, Any]) -> list[tuple[str, Row, list[Row]]]:
    """Title, head and rows of every table."""
    return [
        ("Figures", HEAD, rows_of(document)),
        ("Peers, same bars, same machine, same run", PEER_HEAD, peer_rows(document)),
        ("Share of the measured write bandwidth", SHARE_HEAD, share_rows(document)),
        ("Bars set", TARGET_HEAD, target_rows(document)),
    ]
