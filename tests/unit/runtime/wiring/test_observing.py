"""Who watches a run hears what it asked for, and changes nothing of it or of its coarse journal."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from runtime.kernel_ports import Record
from runtime.wiring.opening import open_trader
from tests.unit.runtime.wiring.asked import plan_from


def lived(
    bundle: Path, state: Path, kinds: Collection[str] | None, *, level: str = "trades"
) -> tuple[list[Any], list[Record], Any]:
    """The journal's entries, what an observer of ``kinds`` heard, and trades with digest."""
    plan = plan_from(
        "--bundle", bundle, "--state", state, "--max-bars", "260", "--journal", level
    )  # fmt: skip

    async def scene() -> tuple[list[Any], list[Record], Any]:
        heard: list[Record] = []
        async with open_trader(plan) as trader:
            trader.kernel.observe(heard.append, kinds)
            await trader.run()
            entries = [
                (e.kind, e.time_ns, e.key, dict(e.body))
                for e in trader.journal.read()
                if e.kind != "run"
            ]
            return entries, heard, (trader.kernel.trades, trader.learning.agent.digest())

    return asyncio.run(scene())


def test_the_journal_is_the_same_whoever_watches(bundle: Path, tmp_path: Path) -> None:
    alone, silence, result = lived(bundle, tmp_path / "0", ())
    some, heard, again = lived(bundle, tmp_path / "1", ("decision", "bar", "trade"))
    whole, everything, third = lived(bundle, tmp_path / "2", None)
    assert silence == []
    assert result == again == third
    assert alone == some == whole
    assert {r.kind for r in heard} == {"decision", "bar", "trade"}
    assert len(heard) == sum(r.kind in ("decision", "bar", "trade") for r in everything)

    kinds, sums = Counter(r.kind for r in everything), Counter[str]()
    reasons = Counter[str]()
    for kind, _, _, body in alone:
        if kind == "tally":
            reasons.update(body["not_sent"])
            sums.update({name: n for name, n in body.items() if name != "not_sent"})
    decisions = [r.body["decision"] for r in everything if r.kind == "decision"]
    sent = [d.decision_id for d in decisions if d.qty_steps > 0]
    assert [key for kind, _, key, _ in alone if kind == "decision"] == sent
    assert 0 < len(sent) < len(decisions) == sums["candidates"]
    assert sums["sent"] == len(sent)
    assert reasons == Counter(d.reason for d in decisions if d.qty_steps == 0)
    assert sums["closes"] == kinds["bar"] == 260
    assert sums["resolved"] == kinds["resolved"] > 0
    assert sums["orders"] == kinds["order"] > 0
    assert sums["learning_steps"] == kinds["learned"] > 0
    kept = {kind for kind, *_ in alone}
    assert kept <= {
        "decision", "skip", "fill", "funding", "trade", "gate", "ess", "tally", "alarm",
        "checkpoint",
    }  # fmt: skip
    assert "checkpoint" in kept


def test_a_coarse_run_trades_and_learns_as_a_whole_one(bundle: Path, tmp_path: Path) -> None:
    entries, _, coarse = lived(bundle, tmp_path / "0", ())
    full, _, whole = lived(bundle, tmp_path / "1", (), level="full")
    assert coarse == whole
    assert not any(kind == "tally" for kind, *_ in full)
    # Each unit that was written down was learned once, in that order.
    units = [key for kind, _, key, _ in full if kind == "resolved"]
    steps = [body for kind, _, _, body in full if kind == "learned"]
    assert [key for body in steps for key in body["units"]] == units
    labels = [len(body["labels"]) for kind, _, _, body in full if kind == "labels"]
    assert sum(body["labels"] for body in steps) == sum(labels) > 0
    saved = [body for kind, _, _, body in full if kind == "checkpoint"]
    assert saved
    assert all(body["seq"] > 0 and body["files"] for body in saved)
    known = [e for e in full if e[0] in ("trade", "fill", "funding", "gate")]
    assert [e for e in entries if e[0] in ("trade", "fill", "funding", "gate")] == known
