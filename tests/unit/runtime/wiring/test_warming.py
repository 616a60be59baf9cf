"""Compiling before it counts, and not in the process that trades."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest

from envs.kernel.compile import cache_folder
from runtime.wiring.warming import warm_up_built_in
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
    assert spent_s > 3.0 * (cpu_s(resource.RUSAGE_SELF) - own_s)

    asyncio.run(warm_up_built_in(plan))
    assert cpu_s(resource.RUSAGE_CHILDREN) - others_s == spent_s
