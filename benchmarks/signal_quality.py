"""Signal quality on real bars: rank correlation per quarter and Brier scores of the pooled vote.

    python benchmarks/signal_quality.py --data DIR [--horizon 8] [--final]

Development looks at 2022 and 2023; ``--final`` looks at 2024 and is run once.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from agents.reinforcement.aggregating import run_pool
from agents.reinforcement.pool import AggregatingPool
from agents.reinforcement.settings import ReinforcementSettings
from ensemble.crossfit import votes_for_run
from ensemble.settings import EnsembleSettings
from envs.core.market_data import MarketData
from envs.core.settings import CoreSettings
from envs.core.tape import VoteTable
from envs.core.types import Float64Array
from envs.market.build import load_market
from training.cli import cache_folder

DEVELOPMENT = ("2022-01-01", "2024-01-01")
FINAL = ("2024-01-01", "2025-01-01")
QUARTER_MONTHS = 3


def stamp(day: str) -> int:
    return int(np.datetime64(day, "ns").astype(np.int64))


def quarters(first: str, end: str) -> list[tuple[str, int, int]]:
    months = np.arange(np.datetime64(first, "M"), np.datetime64(end, "M"), QUARTER_MONTHS)
    out = []
    for month in months:
        a, b = month.astype("datetime64[ns]"), (month + QUARTER_MONTHS).astype("datetime64[ns]")
        out.append((str(month), int(a.astype(np.int64)), int(b.astype(np.int64))))
    return out


def target(market: MarketData, horizon: int) -> Float64Array:
    """Log return from open(t+1) to open(t+1+H) over trailing volatility (24 bars)."""
    logs = np.log(np.where(market.valid, market.open_ticks, 1).astype(np.float64))
    out = np.full(logs.shape, np.nan)
    out[: -horizon - 1] = logs[horizon + 1 :] - logs[1:-horizon]
    volatility = market.features[:, :, market.feature_names.index("volatility")]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(volatility > 0.0, out / volatility, np.nan)


def brier_scores(votes: VoteTable, up: Float64Array, down: Float64Array, a: int, b: int) -> float:
    ok = np.isfinite(votes.y_long[a:b]) & np.isfinite(up[a:b])
    u = (up[a:b] - votes.y_long[a:b])[ok]
    d = (down[a:b] - votes.y_short[a:b])[ok]
    return float(0.5 * (np.mean(u * u) + np.mean(d * d)))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    first, end = FINAL if args.final else DEVELOPMENT
    market, report = load_market(
        Path(args.data), args.symbols.split(","), "1h", stamp("2020-01-01"), stamp(end)
    )
    core = CoreSettings()
    core = replace(core, signal=replace(core.signal, horizon_bars=args.horizon))
    votes, _ = votes_for_run(
        market, core, EnsembleSettings(), market.n_bars - 1, args.seed, cache_folder()
    )
    pool = run_pool(votes, AggregatingPool(ReinforcementSettings(), args.horizon, "aa"))
    score = pool.p_up - pool.p_down
    wanted = target(market, args.horizon)
    rows = []
    for name, start_ns, end_ns in quarters(first, end):
        a, b = market.row_at(start_ns + 1), market.row_at(end_ns + 1)
        row: dict[str, Any] = {"quarter": name}
        columns = {"pool": score, **{
            m: votes.p_up[:, :, i] - votes.p_down[:, :, i] for i, m in enumerate(votes.models)
        }}  # fmt: skip
        for label, s in columns.items():
            ok = np.isfinite(s[a:b]) & np.isfinite(wanted[a:b])
            row[label] = float(spearmanr(s[a:b][ok], wanted[a:b][ok]).statistic)
        edge = np.quantile(score[a:b][np.isfinite(score[a:b])], [0.2, 0.8])
        gross = votes.gross[a:b] * market.atr_frac[a:b] * 1e4
        top = (score[a:b] >= edge[1]) & np.isfinite(gross)
        low = (score[a:b] <= edge[0]) & np.isfinite(gross)
        row["top_fifth_bps"] = float(0.5 * (gross[top].mean() - gross[low].mean()))
        row["n"] = int(ok.sum())
        rows.append(row)
    a, b = market.row_at(stamp(first) + 1), market.row_at(stamp(end) + 1)
    uniform_up, uniform_down = votes.p_up.mean(axis=2), votes.p_down.mean(axis=2)
    single = {
        m: brier_scores(votes, votes.p_up[:, :, i], votes.p_down[:, :, i], 0, a)
        for i, m in enumerate(votes.models)
    }
    best = min(single, key=lambda m: single[m])
    i = votes.models.index(best)
    return {
        "horizon": args.horizon,
        "period": [first, end],
        "data_fingerprint": report.fingerprint,
        "quarters": rows,
        "mean_spearman": float(np.mean([r["pool"] for r in rows])),
        "brier": {
            "pool": brier_scores(votes, pool.p_up, pool.p_down, a, b),
            "uniform": brier_scores(votes, uniform_up, uniform_down, a, b),
            "constant": 0.25,
            "best_single_before": best,
            "best_single": brier_scores(votes, votes.p_up[:, :, i], votes.p_down[:, :, i], a, b),
        },
    }


def show(result: dict[str, Any]) -> None:
    console = Console()
    table = Table(title=f"Spearman per quarter, H {result['horizon']}", title_justify="left")
    names = [k for k in result["quarters"][0] if k != "quarter"]
    for name in ("quarter", *names):
        table.add_column(name, justify="right")
    for row in result["quarters"]:
        values = [str(row[n]) if n == "n" else f"{row[n]:.4f}" for n in names]
        table.add_row(row["quarter"], *values)
    console.print(table)
    console.print(f"mean of quarters: {result['mean_spearman']:.4f}")
    for name, value in result["brier"].items():
        console.print(f"Brier {name}: {value if isinstance(value, str) else f'{value:.6f}'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder of real bars")
    parser.add_argument("--symbols", default="BTCUSDT,ETHUSDT,XRPUSDT,LTCUSDT")
    parser.add_argument("--horizon", type=int, default=8, help="label horizon [bars; default 8]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--final", action="store_true", help="look at 2024 (once)")
    parser.add_argument("--json", type=Path, default=None, help="also write the figures here")
    args = parser.parse_args()
    result = measure(args)
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
