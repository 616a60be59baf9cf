"""Bars that the project set itself for the compiled environments, and how figures meet them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.framework.metrics import Metric

Found = Mapping[str, Mapping[str, Metric]]


@dataclass(frozen=True)
class Target:
    """``metric`` of ``scenario`` at least (``higher``) or at most (``lower``) ``bound``."""

    about: str
    scenario: str
    metric: str
    bound: float

    def judge(self, found: Found) -> tuple[float, bool] | None:
        """Value and whether it is met; None where it was not measured."""
        metric = found.get(self.scenario, {}).get(self.metric)
        if metric is None:
            return None
        met = metric.value >= self.bound
        if metric.direction == "lower":
            met = metric.value <= self.bound
        return metric.value, met


V = "vector/4096/density-0.10"
TARGETS = (
    Target("decisions/s, 4,096 environments, two threads", V, "decisions_per_s", 4e6),
    Target("bar-steps/s, the same", V, "bar_steps_per_s", 20e6),
    Target("decisions/s, one thread", "vector/4096/threads-1", "decisions_per_s", 2e6),
    Target("CPU ns per position-bar, one thread", "vector/4096/threads-1",
           "cpu_ns_per_position_bar", 60.0),
    Target("face over bare kernel call", "vector/bare-kernel", "face_over_bare", 0.85),
    Target("two threads over one", "vector/4096/two-over-one", "two_over_one", 1.7),
    Target("decisions/s through gymnasium.make", "single/gym-make", "decisions_per_s", 250e3),
    Target("decisions/s of the plain core", "single/plain-core", "decisions_per_s", 15e3),
    Target("decisions/s with all 76 outcomes", "counterfactual/batch", "decisions_per_s", 0.8e6),
    Target("full-information decisions/s of a training pass, outcomes included",
           "learn/training-pass", "candidates_per_s", 0.7e6),
    Target("table cells updated a second", "learn/update-alone", "cells_per_s", 500e6),
    Target("one-action learning steps/s through the environment", "learn/one-action",
           "steps_per_s", 3e6),
    Target("us of a live decision and its learning", "learn/live", "us_per_decision", 200.0),
    Target("PPO's share of its do-nothing speed", "learn/ppo-256", "share_of_do_nothing", 0.95),
    Target("ms from a tick to its order's answer through ccxt, median", "exchange/tick-to-ack",
           "p50_ms", 3.0),
    Target("the same, 99th percentile", "exchange/tick-to-ack", "p99_ms", 15.0),
    Target("orders/s into the exchange, journal on", "exchange/orders", "orders_per_s", 1_000.0),
    Target("market messages/s out of it", "exchange/messages", "messages_per_s", 5_000.0),
    Target("seconds for a lockstep year of four symbols", "exchange/lockstep-year", "seconds",
           120.0),
    Target("MiB an 8-hour soak of 100,000 orders adds", "exchange/soak", "growth_mib", 50.0),
    Target("units its books are off", "exchange/soak", "unbalanced_units", 0.0),
    Target("bytes an environment", "memory/per-env", "bytes_sizing", 2_048.0),
    Target("growth for 10 x the environments", "scaling/10x-envs", "cpu_growth", 11.0),
    Target("growth for 10 x the bars", "scaling/10x-bars", "cpu_growth", 11.0),
    Target("seconds to compile at first use", "compile/first-use", "cold_step_s", 30.0),
    Target("seconds to a later process's first step, imports included, ready market",
           "compile/first-use", "warm_without_market_s", 1.5),
)  # fmt: skip


def against_peers(found: Found) -> list[tuple[str, float, float, float]]:
    """(what, ours, theirs, ratio): one environment against one, vector against SyncVectorEnv.

    Ours are decisions per second: one decision spans several bars of four symbols, a peer's step is
    one bar, so the ratio is the smaller of the two that could be given.
    """
    pairs = (
        ("single/gym-make", "single_steps_per_s", "alone"),
        (V, "sync64_steps_per_s", "vectorised"),
    )
    out = []
    for ours_id, theirs_name, label in pairs:
        ours = found.get(ours_id, {}).get("decisions_per_s")
        for id_, metrics in found.items():
            theirs = metrics.get(theirs_name) if id_.startswith("peers/") else None
            if ours is not None and theirs is not None:
                name = f"{id_.removeprefix('peers/')}, {label}"
                out.append((name, ours.value, theirs.value, ours.value / theirs.value))
    return out


def write_share(found: Found) -> list[tuple[str, float, float]]:
    """(scenario, share of rows written in cache, share of rows streamed to memory)."""
    limit = found.get("write-bandwidth", {})
    out = []
    for id_, metrics in found.items():
        rate = metrics.get("decisions_per_s") or metrics.get("env_steps_per_s")
        if limit and rate is not None and id_.startswith("vector/") and "threads-1" not in id_:
            rows, stream = limit["rows_per_s"].value, limit["stream_rows_per_s"].value
            out.append((id_, rate.value / rows, rate.value / stream))
    return out
