"""Compiling before it counts, and not in the process that trades."""

from __future__ import annotations

import asyncio
import os
import resource
from pathlib import Path

import pytest

from envs.kernel.compile import cache_folder
from runtime.wiring.warming import stamp_of, warm_up_built_in
from tests.unit.runtime.wiring.asked import plan_from


def cpu_s(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


@pytest.mark.long
def test_where_nothing_is_compiled_another_process_compiles(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QT_KERNEL_CACHE_DIR", str(tmp_path / "cache"))
    plan = plan_from("--bundle", bundle, "--venue", "local", "--state", tmp_path / "state")
    own_s, others_s = cpu_s(resource.RUSAGE_SELF), cpu_s(resource.RUSAGE_CHILDREN)
    asyncio.run(warm_up_built_in(plan))
    spent_s = cpu_s(resource.RUSAGE_CHILDREN) - others_s
    assert any(cache_folder().rglob("*.nbi"))
    assert len(list(cache_folder().glob("whole-*"))) == 1
    assert spent_s > 3.0 * (cpu_s(resource.RUSAGE_SELF) - own_s)

    asyncio.run(warm_up_built_in(plan))
    assert cpu_s(resource.RUSAGE_CHILDREN) - others_s == spent_s


def test_sources_elsewhere_or_written_anew_have_another_stamp(tmp_path: Path) -> None:
    stamps = set()
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "rules.py").write_text("x = 1\n", encoding="utf-8")
        stamps.add(stamp_of([tmp_path / place]))
    source = tmp_path / "here" / "rules.py"
    os.utime(source, ns=(1, 1))
    stamps.add(stamp_of([source.parent]))
    assert len(stamps) == 3
    assert stamp_of([source.parent]) in stamps
