"""Writes docs/benchmarks.md from the figures of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.framework.report import Row, sections

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"

INTRO = """# Benchmarks

Written by `python benchmarks/run.py --write-docs`; change the code, not this file.

```
make bench                                 # everything but the main job, some minutes
make bench ARGS="--only vector --quick"    # ids or their first parts; coarser
make bench ARGS="--list"                   # every scenario
make bench ARGS="--slow --json FILE"       # with the main job; figures as JSON
make bench-compare BASE=REVISION           # fails on a regression beyond a metric's tolerance
```

The scenario, unless its id says otherwise: {bars}; candidates drawn with a fixed seed on a share of
the symbol-bars (`density`), uniform random actions of the 76, all rules on, episodes of 2,160 bars
from random starts. Every repeat does the same work; each scenario runs once to warm up and then
{repeats} times, the median is given. A *decision* is one executable candidate decided; a
*bar-step* one bar of all four symbols walked by one environment; a *position-bar* one open position
in one bar.

A run is marked *disturbed* when other processes took more than 0.15 cores, two threads got less
than 1.7 cores, or one thread less than 0.9: its wall times, and to a lesser degree its CPU times,
look worse than the code is. A comparison therefore judges CPU time on one thread.
"""

PEERS = """The peers run in processes of their own (`benchmarks/peers/`): 24 numbers observed,
fees on, random actions. Their step is one bar; ours, one decision, spans several bars of four
symbols under more rules, so the ratios are the smaller ones that could be given. The vectorised
peers run in a `SyncVectorEnv` of 64 on one thread, ours has 4,096 environments on two threads.
Install them with `pip install -e '.[peers]'`, or name interpreters that have them in
`QT_BENCH_PEERS`.
"""

PRELIMINARY = """**These figures are preliminary**: they were taken from uncommitted code or while
other work used the cores (see the marks below). Write them anew on a quiet machine.
"""

TEXTS = {"Peers, same bars, same machine, same run": PEERS}


def merged(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several runs as one; later files replace scenarios of earlier ones.

    Raises:
        ValueError: Runs of different machines, versions or commits.
    """
    first = documents[0]
    scenarios: dict[str, Any] = {}
    for document in documents:
        for key in ("schema", "machine"):
            if document[key] != first[key]:
                raise ValueError(f"the runs differ in {key}: {document[key]} and {first[key]}")
        scenarios.update(document["scenarios"])
    return {"schema": first["schema"], "machine": first["machine"], "scenarios": scenarios}


def rendered(document: Mapping[str, Any], bars: str, repeats: int) -> str:
    """The page."""
    parts = [INTRO.format(bars=bars, repeats=repeats)]
    if _preliminary(document):
        parts.append(PRELIMINARY)
    parts.append("## Machine\n")
    parts.append(_table(("", ""), [(k, str(v)) for k, v in document["machine"].items()]))
    order = sections(document)
    for title, head, rows in [order[-1], *order[:-1]]:
        if rows:
            parts.append(f"## {title}\n")
            if title in TEXTS:
                parts.append(TEXTS[title])
            parts.append(_table(head, rows))
    notes = [
        f"- `{id_}`: {note}"
        for id_, entry in document["scenarios"].items()
        for note in entry.get("notes", ())
    ]
    if notes:
        parts.append("## Notes\n")
        parts.append("\n".join(notes) + "\n")
    return "\n".join(parts)


def _preliminary(document: Mapping[str, Any]) -> bool:
    shared = any(e.get("disturbed") for e in document["scenarios"].values())
    return shared or str(document["machine"].get("commit", "")).endswith("-dirty")


def write_docs(document: Mapping[str, Any], path: Path = DOCS) -> None:
    """Write the page for a run."""
    from benchmarks.data import real_folder

    bars = "four symbols of real hourly bars, 2020 to 2024"
    if real_folder() is None:
        bars = "four symbols of the built-in synthetic market (no real bars were at hand)"
    runs = [
        m["runs"] for e in document["scenarios"].values() for m in e.get("metrics", {}).values()
    ]
    path.write_text(rendered(document, bars, max(runs, default=0)), encoding="utf-8")


def _table(head: Row, rows: Sequence[Row]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
