"""Forecasts with proved regret against any adversary (rows 12, 13, 35, 49 and 54).

The adversaries see the pool's weights before they choose. Sources: Cesa-Bianchi & Lugosi 2006;
Vovk & Zhdanov 2009; Herbster & Warmuth 1998.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import numpy as np

from agents.reinforcement import pool as pools
from agents.reinforcement import regret, weights
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.rules import pool
from envs.core.types import Float64Array
from training.games.sheet import Sheet

_ROUNDS = 1_000
_FLOOR = 1e-12
"""Lower bound of a weight, too low to matter, that keeps the projection's scale finite."""
_HEDGE = ("the heaviest errs", "turns", "random", "one is right")


def play_steps(sheet: Sheet) -> None:
    """Rows 35 and 54, and the bounds as numbers (12, 13, 49)."""
    for number, eta, said, after in (
        (35, 2.0, "0.543989", ("0.350847", "0.275986", "0.230523", "0.142644")),
        (54, 0.25, "0.549193", ("0.262268", "0.254517", "0.248854", "0.234362")),
    ):
        experts, share = np.array([0.8, 0.6, 0.5, 0.3]), np.full(4, 0.25)
        sheet.equal(number, f"pooled, eta {eta:g}", pool.aggregate(experts, share, eta), said)
        pool.reweigh(share, (experts - 1.0) ** 2, eta, 0.0)
        for i, text in enumerate(after):
            sheet.equal(number, f"weight {i + 1} after y = 1, eta {eta:g}", float(share[i]), text)
    for rounds, n, text in ((1_000, 4, "26.3277"), (10_000, 4, "83.2555"), (1_000, 10, "33.9307")):
        sheet.equal(12, f"Hedge bound T {rounds} N {n}", regret.hedge_bound(rounds, n), text)
    sheet.equal(12, "Hedge rate T 1000 N 4", regret.hedge_rate(1_000, 4), "0.105311")
    for n, text in ((4, "0.693147"), (7, "0.972955"), (11, "1.198948")):
        sheet.equal(13, f"Brier bound N {n}", regret.aggregating_bound(n), text)
    tracking = regret.tracking_bound(7, 1_000, 3, 0.01)
    sheet.equal(49, "tracking bound N 7 s .01 T 1000 k 3", tracking, "15.086546")


def play_hedge(sheet: Sheet) -> None:
    """Row 12: the exponential update without pull and bounds, losses 0 or 1."""
    settings = ReinforcementSettings(
        learning_rate=regret.hedge_rate(_ROUNDS, 4), pull=0.0, min_weight=_FLOOR, max_weight=1.0
    )
    worst, least = 0.0, float("inf")
    for kind in _HEDGE:
        rng = np.random.default_rng([12, _HEDGE.index(kind)])
        share: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)
        mine, theirs = 0.0, np.zeros(4)
        for t in range(_ROUNDS):
            loss = _hedge_loss(kind, t, share, rng)
            mine += sum(w * x for w, x in zip(share, loss, strict=True))
            theirs += loss
            share = weights.exponential_update(share, 1.0, [-int(x) for x in loss], settings)
        used = mine - float(theirs.min())
        worst, least = max(worst, used), min(least, used)
    sheet.at_most(12, "Hedge, largest regret of 4 streams, T 1000 N 4", worst, 26.3277, 1e-4)
    sheet.at_least(12, "Hedge, that regret is real", worst, 10.0)


def _hedge_loss(
    kind: str, t: int, share: tuple[float, ...], rng: np.random.Generator
) -> Float64Array:
    if kind == "random":
        return (rng.random(4) < 0.5).astype(np.float64)
    loss = np.zeros(4)
    if kind == "the heaviest errs":
        loss[int(np.argmax(share))] = 1.0
    elif kind == "turns":
        loss[: 2 if t % 2 else 4] = 1.0
        loss[3] = float(t % 2)
    else:
        loss[1:] = 1.0
    return loss


def play_brier(sheet: Sheet) -> None:
    """Row 13: regret of the aggregating rule against the best expert, any data, eta 2."""
    for n, bound in ((4, 0.693147), (7, 0.972955), (11, 1.198948)):
        worst = max(_brier_regret(stream, n) for stream in _streams(n))
        sheet.at_most(13, f"Brier, largest regret of 5 streams, N {n}", worst, bound, 1e-6)
        sheet.at_least(13, f"Brier, that regret is real, N {n}", worst, 0.5 * bound)
    used = max(_pool_regret(k) for k in range(3))
    sheet.at_most(13, "the agent's pool of 7, largest regret of 3 streams", used, 0.972955, 1e-6)
    worst = max(_log_regret(stream) for stream in _streams(4))
    sheet.at_most(13, "log loss, largest regret of 5 streams, N 4", worst, 1.386294, 1e-6)


Stream = Iterator[tuple[Float64Array, float | None]]


def _streams(n: int) -> list[Stream]:
    return [_stream(kind, n) for kind in range(5)]


def _stream(kind: int, n: int) -> Stream:
    """Forecasts of n experts and the outcome, None where it is left to the adversary."""
    rng = np.random.default_rng([13, kind, n])
    for t in range(_ROUNDS):
        if kind == 0:
            yield rng.random(n), None
        elif kind == 1:
            yield np.where(np.arange(n) == 0, 0.999, 0.001), 1.0
        elif kind == 2:
            yield np.where(np.arange(n) == (t // 50) % n, 0.9, 0.1), None
        elif kind == 3:
            yield np.linspace(0.05, 0.95, n), float(rng.random() < 0.7)
        else:
            yield np.clip(0.5 + 0.1 * rng.standard_normal(n), 0.001, 0.999), float(t % 2)


def _brier_regret(stream: Stream, n: int) -> float:
    share = np.full(n, 1.0 / n)
    mine, theirs = 0.0, np.zeros(n)
    for experts, given in stream:
        p = pool.aggregate(experts, share, regret.BRIER_RATE)
        y = (1.0 if p < 0.5 else 0.0) if given is None else given
        losses = (experts - y) ** 2
        mine += (p - y) ** 2
        theirs += losses
        pool.reweigh(share, losses, regret.BRIER_RATE, 0.0)
    return mine - float(theirs.min())


def _log_regret(stream: Stream) -> float:
    """Log loss at rate 1: the mixture's forecast is the weighted mean."""
    share = np.full(4, 0.25)
    mine, theirs = 0.0, np.zeros(4)
    for experts, given in stream:
        p = np.clip(experts, 1e-6, 1.0 - 1e-6)
        mixed = float(share @ p)
        y = (1.0 if mixed < 0.5 else 0.0) if given is None else given
        losses = -np.log(p if y else 1.0 - p)
        mine -= log(mixed if y else 1.0 - mixed)
        theirs += losses
        pool.reweigh(share, losses, 1.0, 0.0)
    return mine - float(theirs.min())


def _pool_regret(kind: int) -> float:
    """Regret the agent's own pool reports, Platt calibration, mean and log-pool included."""
    own = pools.AggregatingPool(ReinforcementSettings(), 1, "aa")
    rng = np.random.default_rng([31, kind])
    for t in range(_ROUNDS):
        p = rng.random(4) if kind else np.array([0.99, 0.01, 0.5, 0.3])
        up, down = own.predict(p, 1.0 - p)
        turn = float(t % 2) if kind == 1 else None
        y_up = (1.0 if up < 0.5 else 0.0) if turn is None else turn
        y_down = (1.0 if down < 0.5 else 0.0) if turn is None else 1.0 - turn
        row = p.reshape(1, 4)
        own.learn(row, 1.0 - row, np.array([y_up]), np.array([y_down]))
    return regret.used(own.gap)


def play_tracking(sheet: Sheet) -> None:
    """Row 49: fixed share against a best expert that changes three times."""
    n, share_rate, switches = 7, 0.01, 3
    worst = max(_tracking_regret(kind, n, share_rate, switches) for kind in range(4))
    bound = regret.tracking_bound(n, _ROUNDS, switches, share_rate)
    sheet.at_most(49, "fixed share, largest regret of 4 streams, 3 switches", worst, bound, 1e-9)
    sheet.at_least(49, "fixed share, that regret is real", worst, 0.3 * bound)


def _tracking_regret(kind: int, n: int, share_rate: float, switches: int) -> float:
    """Regret against the sequence of best experts; the others are wrong, or random (odd kinds)."""
    rng = np.random.default_rng([49, kind])
    sure = 1.0 if kind < 2 else 0.8
    share = np.full(n, 1.0 / n)
    mine = theirs = 0.0
    for t in range(_ROUNDS):
        best = (2 * (t * (switches + 1) // _ROUNDS)) % n
        y = float(rng.random() < 0.5)
        right = sure if y else 1.0 - sure
        experts = rng.random(n) if kind % 2 else np.full(n, 1.0 - right)
        experts[best] = right
        p = pool.aggregate(experts, share, regret.BRIER_RATE)
        losses = (experts - y) ** 2
        mine += (p - y) ** 2
        theirs += float(losses[best])
        pool.reweigh(share, losses, regret.BRIER_RATE, share_rate)
    return mine - theirs
