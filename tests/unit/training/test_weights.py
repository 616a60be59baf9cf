"""The exponential pass against a plain one: the manager stepped bar by bar, trades walked alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.reinforcement.aggregating import label_order
from agents.reinforcement.calibration import scalers_of
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.rewards import TradeResult
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.rules.blend import blend
from envs.core.rules.vote import ev_long
from envs.core.series import MarketSeries, prepare
from envs.core.settings import CoreSettings, SignalSettings
from envs.core.trade import ResolvedLabel
from envs.core.types import Int64Array
from envs.kernel.signal import candidates_of, votes_of
from envs.market.lines import fit_line
from envs.market.planted import SyntheticMarket, synthetic_market
from envs.market.synthetic import SyntheticSettings
from training.reference import NOT_TRADED, ReferenceTrades
from training.tape import fifth_edges, make_tape
from training.weights import Weighed, reference_of, run_weights

CORE = CoreSettings(signal=SignalSettings(min_edge=3.0))
"""An edge high enough that the trailing rank decides too."""
FIRST = 1_500


@pytest.fixture(scope="module")
def made() -> SyntheticMarket:
    return synthetic_market(SyntheticSettings(n_bars=1_100, seed=6))


@pytest.fixture(scope="module")
def data(made: SyntheticMarket) -> MarketSeries:
    return prepare(made.market, CORE)


def edges_of(made: SyntheticMarket) -> Int64Array:
    return fifth_edges(1_600, made.market.n_bars - 300)


def weigh(
    made: SyntheticMarket, data: MarketSeries, algorithm: str, settings: CoreSettings = CORE
) -> Weighed:
    manager = ReinforcementManager(
        ReinforcementSettings(algorithm=algorithm, vote_kappa=2.0), made.votes.horizon_bars
    )
    return run_weights(data, made.votes, settings, manager, edges_of(made), made.pool_line)


class Plain:
    """One bar after the other: labels, trades, weights, votes, candidates, reference trades."""

    def __init__(self, made: SyntheticMarket, data: MarketSeries, algorithm: str) -> None:
        self.made, self.data, self.votes, self.market = made, data, made.votes, made.market
        settings = ReinforcementSettings(algorithm=algorithm, vote_kappa=2.0)
        self.manager = ReinforcementManager(settings, made.votes.horizon_bars)
        self.reference: ReferenceTrades = reference_of(data, made.votes, CORE)
        shape = made.votes.label_end.shape
        self.up, self.down = np.full(shape, np.nan), np.full(shape, np.nan)
        self.ev, self.line = np.full(shape, np.nan), made.pool_line
        self.open: dict[int, tuple[int, int]] = {}
        self.busy = [0] * shape[1]
        self.entered = [-(2**62)] * shape[1]
        self.found: list[tuple[int, int, int]] = []
        self.ends, self.rows, self.symbols = label_order(made.votes)
        self.at = 0

    def run(self) -> None:
        slip = np.stack([np.asarray(x) for x in self.data.slip_next], axis=1)
        edges = set(edges_of(self.made).tolist())
        for t in range(self.market.n_bars):
            self.learn(t)
            if t in edges:
                self.refit(t)
            for s in range(self.market.n_symbols):
                self.up[t, s], self.down[t, s], _ = self.manager.predict(
                    self.votes.p_up[t, s], self.votes.p_down[t, s]
                )
            if self.line is not None:
                slope = ev_long(self.line.b, self.line.se, 0.0, 1.0, 1.0)
                score = self.up[t] - self.down[t]
                self.ev[t] = slope * (score - self.line.s_mean) * self.market.atr_frac[t]
            if t >= FIRST:
                self.trade(t, slip)

    def learn(self, t: int) -> None:
        due = []
        while self.at < self.ends.size and self.ends[self.at] <= t:
            due.append((int(self.rows[self.at]), int(self.symbols[self.at])))
            self.at += 1
        v, close = self.votes, self.market.close_ns
        self.manager.learn_labels(
            [
                ResolvedLabel(
                    self.market.symbols[s], int(close[r]), int(close[v.label_end[r, s]]),
                    v.p_up[r, s], v.p_down[r, s], int(v.y_long[r, s]), int(v.y_short[r, s]),
                    tuple(np.sign(np.nan_to_num(v.ev[r, s])).astype(int).tolist()),
                )
                for r, s in due
            ]
        )  # fmt: skip
        got = self.reference
        closed = [
            (int(got.exit_ns[r, s, k]), s, r, k)
            for s, (r, k) in self.open.items()
            if got.end_row[r, s, k] == t and got.finished[r, s, k]
        ]
        for exit_ns, s, r, k in sorted(closed):
            del self.open[s]
            side = 1 - 2 * k
            sides = np.sign(v.ev[r, s]).astype(int)
            net, risk = float(got.net[r, s, k]), float(got.risk[r, s, k])
            trade = TradeResult(
                self.market.symbols[s], int(self.market.sizing_regime[r, s]), net,
                float(got.notional[r, s, k]), net / risk, exit_ns,
            )  # fmt: skip
            stated = np.where(sides >= 0, v.p_up[r, s], v.p_down[r, s])
            self.manager.learn_trade(
                f"reference:{self.market.symbols[s]}:{int(close[r])}",
                trade, (sides * side).tolist(), stated.tolist(),
            )  # fmt: skip

    def refit(self, t: int) -> None:
        v, score = self.votes, self.up - self.down
        known = (v.label_end >= 0) & (v.label_end < t) & np.isfinite(score) & np.isfinite(v.gross)
        rows, symbols = np.nonzero(known)
        line = fit_line(score[rows, symbols], v.gross[rows, symbols], self.market.close_ns[rows])
        self.line = line or self.line

    def trade(self, t: int, slip: np.ndarray) -> None:  # type: ignore[type-arg]
        """Candidates by the kernel's own rule over the trailing window."""
        a, m, v = max(0, t - 1_100), self.market, self.votes
        ev = np.where(m.complete[a : t + 1], self.ev[a : t + 1], np.nan)
        side, _, edge, level, _ = votes_of(
            ev, v.ev[a : t + 1], v.valid[a : t + 1], slip[a : t + 1], CORE, False
        )
        following = m.valid[t + 1 : t + 2] if t + 1 < m.n_bars else np.zeros_like(m.valid[:1])
        grid = np.concatenate([m.valid[a : t + 1], following])
        pad = [np.concatenate([x, x[-1:]]) for x in (m.complete[a : t + 1], side, edge, level)]
        row = candidates_of(pad[0], grid, pad[1], pad[2], pad[3], CORE)[t - a]
        got, now = self.reference, int(m.close_ns[t])
        for s in np.flatnonzero(row).tolist():
            k = 0 if side[t - a, s] > 0 else 1
            wait = CORE.entry.cooldown_s * 1_000_000_000
            flat = t >= self.busy[s] and now - self.entered[s] >= wait
            if not flat or got.end_row[t, s, k] == NOT_TRADED:
                continue
            self.busy[s] = int(got.end_row[t, s, k])
            if got.opened[t, s, k]:
                self.entered[s] = int(got.entry_ns[t, s, k])
                self.open[s] = (t, k)
                self.found.append((t, s, 1 - 2 * k))


@pytest.mark.parametrize("algorithm", ["exponential", "platt_exponential"])
def test_the_pass_equals_a_plain_one(
    made: SyntheticMarket, data: MarketSeries, algorithm: str
) -> None:
    whole = weigh(made, data, algorithm)
    plain = Plain(made, data, algorithm)
    plain.run()
    assert whole.trades[:, 0].min() > FIRST
    assert len(plain.found) > 100
    assert np.array_equal(plain.up, whole.pool.p_up, equal_nan=True)
    assert np.array_equal(plain.down, whole.pool.p_down, equal_nan=True)
    assert np.array_equal(plain.ev, whole.ev, equal_nan=True)
    assert plain.found == [tuple(x) for x in whole.trades.tolist()]
    assert len(plain.manager.signals) > len(whole.manager.signals) > 60


@pytest.mark.parametrize("algorithm", ["exponential", "platt_exponential"])
def test_nothing_after_a_row_changes_what_came_before(
    made: SyntheticMarket, data: MarketSeries, algorithm: str
) -> None:
    cut = made.market.n_bars - 500
    plain = weigh(made, data, algorithm)
    late = np.arange(made.market.n_bars)[:, None] > cut
    unknown = made.votes.label_end > cut
    votes = replace(
        made.votes,
        p_up=np.where(late[:, :, None], 0.9, made.votes.p_up),
        y_long=np.where(unknown, 1.0 - made.votes.y_long, made.votes.y_long),
        y_short=np.where(unknown, 1.0 - made.votes.y_short, made.votes.y_short),
        gross=np.where(unknown, 50.0, made.votes.gross),
    )
    market = replace(
        made.market,
        high_ticks=np.where(late, made.market.high_ticks * 2, made.market.high_ticks),
        low_ticks=np.where(late, made.market.low_ticks // 2, made.market.low_ticks),
    )
    other = weigh(replace(made, market=market, votes=votes), prepare(market, CORE), algorithm)
    for name in ("p_up", "p_down", "weights", "loss"):
        a, b = getattr(plain.pool, name), getattr(other.pool, name)
        assert np.array_equal(a[: cut + 1], b[: cut + 1], equal_nan=True), name
        assert not np.array_equal(a, b, equal_nan=True), name
    assert np.array_equal(plain.ev[: cut + 1], other.ev[: cut + 1], equal_nan=True)


def test_reference_trades_are_candidates_of_the_tape_one_at_a_time_per_symbol(
    made: SyntheticMarket, data: MarketSeries
) -> None:
    made_tape = make_tape(
        data, made.votes, CORE, ReinforcementSettings(), edges_of(made), made.pool_line,
        "exponential",
    )  # fmt: skip
    manager = ReinforcementManager(ReinforcementSettings(algorithm="exponential"), 8)
    trades = run_weights(data, made.votes, CORE, manager, edges_of(made), made.pool_line).trades
    reference = reference_of(data, made.votes, CORE)
    rows, symbols, sides = trades.T
    assert made_tape.signals.candidate[rows, symbols].all()
    assert np.array_equal(made_tape.signals.side[rows, symbols], sides)
    for s in range(made.market.n_symbols):
        mine = rows[symbols == s]
        ends = reference.end_row[mine, s, (1 - sides[symbols == s]) // 2]
        assert np.all(mine[1:] >= ends[:-1])


def test_a_longer_cooldown_and_a_stricter_rule_trade_less(
    made: SyntheticMarket, data: MarketSeries
) -> None:
    usual = weigh(made, data, "exponential")
    entry = replace(CORE.entry, cooldown_s=86_400)
    slow = weigh(made, data, "exponential", replace(CORE, entry=entry))
    rows, symbols, _ = slow.trades.T
    for s in range(made.market.n_symbols):
        assert np.diff(rows[symbols == s]).min() >= 24
    rule = SignalSettings(min_edge=3.0, top=0.0)
    strict = weigh(made, data, "exponential", replace(CORE, signal=rule))
    assert len(slow.trades) < len(usual.trades)
    assert len(strict.trades) < len(usual.trades)


@pytest.mark.parametrize("algorithm", ["aa", "fixed_share", "uniform", "platt_exponential"])
def test_the_frozen_manager_knows_training_and_goes_on_from_there(
    made: SyntheticMarket, data: MarketSeries, algorithm: str
) -> None:
    edges = edges_of(made)
    last = int(edges[-1])
    whole = weigh(made, data, algorithm)
    frozen = whole.manager
    assert frozen.labels.last_ns <= made.market.close_ns[last]
    assert frozen.last_trade_ns <= made.market.close_ns[last]
    again = run_weights(data, made.votes, CORE, frozen, np.zeros(0, dtype=np.int64), whole.line)
    assert frozen.labels.last_ns <= made.market.close_ns[last]
    after = slice(last + 1, None)
    if algorithm == "platt_exponential":
        assert again.manager.trades > frozen.trades
        assert again.trades[:, 0].min() > last
    else:
        assert np.array_equal(again.pool.p_up[after], whole.pool.p_up[after], equal_nan=True)
        assert np.array_equal(again.ev[after], whole.ev[after], equal_nan=True)


def test_uniform_weights_blend_as_a_live_vote_does(
    made: SyntheticMarket, data: MarketSeries
) -> None:
    got = weigh(made, data, "uniform")
    scalers = scalers_of(got.pool.excess, 2.0)
    weights, identity = np.full(4, 0.25), np.tile([1.0, 0.0], (4, 1))
    rows = np.argwhere(~np.isnan(got.pool.p_up))
    assert len(rows) > 500
    for row, s in rows[::37].tolist():
        for pooled, stated in (
            (got.pool.p_up, made.votes.p_up),
            (got.pool.p_down, made.votes.p_down),
        ):
            assert pooled[row, s] == blend(stated[row, s], identity, False, weights, scalers[row])


def test_a_decision_carries_each_models_side(made: SyntheticMarket) -> None:
    row, s = 500, 0
    valid = made.votes.valid.copy()
    valid[row, s] = [True, False, True, True]
    ev = made.votes.ev.copy()
    ev[row, s] = [0.004, 0.004, -0.004, 0.0]
    votes = replace(made.votes, ev=ev, valid=valid)
    assert votes.sides_at(row, s) == (1, 0, -1, 0)
