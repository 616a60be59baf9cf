"""Statistics with known figures or bounds that hold on any data (rows 14 to 20 and 24)."""

from __future__ import annotations

from math import sqrt

import numpy as np

from agents.sizing import kelly
from envs.core.actions import PRESETS
from envs.core.rules.state import N_STATES
from training import statistics_forecasts, statistics_overfitting, statistics_sharpe
from training.games.sheet import Sheet

_PATHS, _FLIPS, _CHUNK = 20_000, 1_000, 2_000


def play_sharpe(sheet: Sheet) -> None:
    """Rows 14 and 16 to 19."""
    split = statistics_forecasts.brier_split(
        np.array([0.0, 0.0, 0.5, 0.5, 1.0, 1.0]), np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    )
    for case, value, expected in (
        ("reliability", split.reliability, 0.0),
        ("resolution", split.resolution, 1 / 6),
        ("uncertainty", split.uncertainty, 0.25),
        ("score", split.score, 1 / 12),
    ):
        sheet.near(14, f"Brier split: {case}", value, expected, 1e-12)
    ratio = 2.5 / sqrt(250.0)
    for trials, skew, kurtosis, expected_text in (
        (100, -3.0, 10.0, "0.900397"),
        (46, -3.0, 10.0, "0.950502"),
        (88, 0.0, 3.0, "0.950491"),
    ):
        reached, value = statistics_sharpe.deflated_sharpe(
            ratio, 1_250, trials, 0.5 / 250.0, skew, kurtosis
        )
        if trials == 100:
            sheet.equal(16, "deflated Sharpe N 100: SR0 per day", reached, "0.113172")
        sheet.equal(16, f"deflated Sharpe N {trials}", value, expected_text)
    for trials, text in ((10, "1.574598"), (100, "2.530603"), (1000, "3.255122")):
        value = statistics_sharpe.expected_maximum(trials)
        sheet.equal(17, f"E[max] of {trials} trials", value, text)
    for case, per_year, skew, kurtosis, text in (
        ("daily normal", 250.0, 0.0, 3.0, "2.7312"),
        ("monthly, skewed", 12.0, -0.72, 5.78, "4.9913"),
    ):
        root = sqrt(per_year)
        n = statistics_sharpe.minimum_track_record(2.0 / root, 1.0 / root, 0.95, skew, kurtosis)
        sheet.equal(18, f"minimum track record, {case}, years", n / per_year, text)
    for trials, text in ((45, "4.998"), (46, "5.036")):
        value = statistics_sharpe.minimum_backtest_years(trials)
        sheet.equal(19, f"minimum backtest length N {trials}, years", value, text)
    sheet.near(20, "splits of 16 blocks", float(statistics_overfitting.splits(16)), 12_870.0, 0.0)
    sheet.near(20, "splits of 8 blocks", float(statistics_overfitting.splits(8)), 70.0, 0.0)


def play_overfitting(sheet: Sheet) -> None:
    """Row 20: strategies without skill are overfitted half of the time."""
    rng = np.random.default_rng(20)
    found = np.array([
        statistics_overfitting.overfitting_probability(rng.standard_normal((1_000, 200)), 8)
        for _ in range(30)
    ])  # fmt: skip
    # Four standard errors of a mean of 30 whose spread is .165.
    sheet.near(20, "PBO of 200 iid strategies, mean of 30", float(found.mean()), 0.506, 0.12)
    sheet.near(20, "PBO, spread over 30 matrices", float(found.std(ddof=1)), 0.165, 0.09)


def play_coverage(sheet: Sheet) -> None:
    """Row 15: the miss rate of an adaptive level against four kinds of adversary."""
    rounds, worst, bound = 1_000, 0.0, 0.0
    rng = np.random.default_rng(15)
    hard = rng.random(rounds)
    for adversary in ("always miss", "never miss", "turn against the level", "turn slowly"):
        level, misses = statistics_forecasts.AdaptiveLevel(0.1, 0.005), 0
        for t in range(rounds):
            wanted = {
                "always miss": 0.0,
                "never miss": 1.0,
                "turn against the level": 0.0 if level.level > 0.1 else 1.0,
                "turn slowly": hard[t] * (1.0 if (t // 100) % 2 else 0.05),
            }[adversary]
            # A level of at most 0 covers everything, whatever the adversary does.
            missed = level.level > 0.0 and wanted < level.level
            misses += missed
            level.learn(missed)
        bound = level.bound(rounds)
        worst = max(worst, abs(misses / rounds - 0.1))
    sheet.exact(15, "adaptive conformal bound", bound, 0.181)
    sheet.at_most(15, "adaptive conformal, largest coverage error", worst, 0.181)


def play_betting(sheet: Sheet) -> None:
    """Row 24: betting against a fair coin, and against one that falls heads 60 % of the time."""
    bet = kelly.kelly_fraction(0.6, 1.0)
    rng = np.random.default_rng(24)
    crossed = 0
    needed = []
    for _ in range(_PATHS // _CHUNK):
        flips = rng.random((_CHUNK, _FLIPS))
        fair = statistics_forecasts.betting_wealth((flips < 0.5).astype(np.float64), bet)
        crossed += int(np.isfinite(statistics_forecasts.first_reaching(fair, 20.0)).sum())
        loaded = statistics_forecasts.betting_wealth((flips < 0.6).astype(np.float64), bet)
        needed.append(statistics_forecasts.first_reaching(loaded, 20.0))
    share = crossed / _PATHS
    error = sqrt(0.05 * 0.95 / _PATHS)
    sheet.at_most(24, "e-process, fair coin: P(sup >= 20)", share, 0.05, 3.0 * error)
    sheet.near(24, "e-process, fair coin: P(sup >= 20)", share, 0.0469, 4.0 * error)
    median = float(np.median(np.concatenate(needed)))
    sheet.near(24, "e-process, p .6: median flips to detection", median, 113.0, 5.0)


def play_counts(sheet: Sheet) -> None:
    """Row 43: states, actions and cells."""
    sheet.near(43, "states", float(N_STATES), 300.0, 0.0)
    for name, actions in (("classic", 25), ("overview", 48), ("full", 76)):
        n = PRESETS[name].n
        sheet.near(43, f"actions of {name}", float(n), float(actions), 0.0)
        sheet.near(43, f"cells of {name}", float(n * N_STATES), 300.0 * actions, 0.0)
