from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.framework import registry
from benchmarks.framework.metrics import Metric, Outcome
from benchmarks.framework.registry import NotHere, Options, scenario, select
from benchmarks.run import run_scenarios

IDS = (
    "write-bandwidth", "vector/4096/density-0.02", "vector/4096/density-0.10",
    "vector/4096/density-0.30", "vector/4096/threads-1", "vector/4096/two-over-one",
    "vector/bare-kernel", "vector/noop-same-shape", "single/gym-make", "single/kernel-one-env",
    "single/plain-core", "single/plain-core-ladder", "counterfactual/76",
    "counterfactual/batch", "counterfactual/batch-1", "counterfactual/views",
    "learn/table-update", "learn/update-alone", "learn/live", "learn/one-action", "learn/ppo-256",
    "learn/training-pass", "memory/per-env",
    "scaling/10x-envs",
    "scaling/10x-bars", "import/envs-core", "compile/first-use", "main-job/synthetic",
    "main-job/real", "main-job/real-cached", "exchange/tick-to-ack", "exchange/orders",
    "exchange/messages", "exchange/lockstep-year", "exchange/soak", "runtime/signals-50",
    "peers/gym-anytrading", "peers/gym-trading-env",
    "peers/gym-mtsim",
)  # fmt: skip


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> dict[str, registry.Scenario]:
    known: dict[str, registry.Scenario] = {}
    monkeypatch.setattr(registry, "SCENARIOS", known)
    return known


def one(options: Options) -> Outcome:
    return Outcome({"runs": Metric(float(options.repeats), "1", "higher")})


def test_a_name_selects_itself_and_what_lies_under_it(empty: dict[str, registry.Scenario]) -> None:
    for id_ in ("a/b", "a/b/c", "ab", "d"):
        scenario(id_, "about", slow=id_ == "d")(one)
    assert [s.id for s in select(["a"])] == ["a/b", "a/b/c"]
    assert [s.id for s in select(["a/b/c", "ab"])] == ["a/b/c", "ab"]
    assert [s.id for s in select([])] == ["a/b", "a/b/c", "ab"]
    assert [s.id for s in select([], slow=True)] == ["a/b", "a/b/c", "ab", "d"]
    assert [s.id for s in select(["d"])] == ["d"]
    assert set(empty) == {"a/b", "a/b/c", "ab", "d"}


@pytest.mark.usefixtures("empty")
def test_unknown_taken_and_odd_ids_are_refused() -> None:
    scenario("a/b", "about")(one)
    for wrong in ("b", "a/", "a/b/c", "a/bb"):
        if wrong == "a/":
            assert select([wrong])
            continue
        with pytest.raises(ValueError, match="no scenario is named"):
            select([wrong])
    with pytest.raises(ValueError, match="taken"):
        scenario("a/b", "about")(one)
    with pytest.raises(ValueError, match="lower-case"):
        scenario("A b", "about")(one)


@pytest.mark.usefixtures("empty")
def test_what_cannot_run_here_is_recorded_with_its_reason() -> None:
    def broken(options: Options) -> Outcome:
        raise KeyError("here")

    def absent(options: Options) -> Outcome:
        raise NotHere("needs a peer")

    scenario("here", "about")(one)
    scenario("gone", "about")(absent)
    scenario("wrong", "about")(broken)
    records = run_scenarios(select([]), Options(7), Console(quiet=True))
    assert [(r.id, r.skipped) for r in records] == [
        ("here", ""),
        ("gone", "needs a peer"),
        ("wrong", "failed, KeyError: 'here'"),
    ]
    assert records[0].outcome.metrics["runs"].value == 7.0


def test_the_program_lists_its_permanent_ids_and_refuses_others(root: Path) -> None:
    program = [sys.executable, str(root / "benchmarks" / "run.py")]
    listed = subprocess.run([*program, "--list"], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(IDS)
    wrong = subprocess.run(
        [*program, "--only", "vector/5000"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "vector/5000" in wrong.stdout
