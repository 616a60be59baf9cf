"""Bets whose best size is known: Kelly, Bayes, shrinkage, the sizing plan (rows 1-2, 4-5, 38-40).

Sources: Kelly 1956; Baker & McHale 2013; specification 7.
"""

from __future__ import annotations

from agents.settings import KellySettings, SizingSettings
from agents.sizing import ev_kelly, kelly, mathematician, prior
from agents.sizing.kelly_tally import Allowance
from envs.core.actions import preset
from envs.core.instrument import Instrument
from envs.core.settings import CostSettings, PlanSettings
from training.games.bench import sizing_context
from training.games.sheet import Sheet

_NO_LINE = (float("nan"),) * 3


def play_kelly(sheet: Sheet) -> None:
    """Rows 1, 2, 4, 5 and 40."""
    for number, p, b, fraction, growth in (
        (1, 0.6, 1.0, 0.2, "0.0201355"),
        (2, 0.55, 1.0, 0.1, "0.0050084"),
        (2, 0.6, 2.0, 0.4, "0.1483417"),
        (2, 0.5, 2.0, 0.25, "0.0588915"),
        (2, 0.35, 3.0, 2 / 15, ""),
    ):
        f = kelly.kelly_fraction(p, b)
        sheet.exact(number, f"Kelly fraction p {p} b {b:g}", f, fraction)
        if growth:
            sheet.equal(number, f"growth p {p} b {b:g}", kelly.kelly_growth(p, b, f), growth)
    # Beta(7, 5) is 6 wins in 10 on a uniform prior: 2 prior trades at even odds.
    p = kelly.shrunk_probability(6, 10, 1.0, 2.0)
    sheet.exact(4, "Bayesian Kelly Beta(7,5)", kelly.kelly_fraction(p, 1.0), 1 / 6)
    for sharpe, n, expected in ((0.1, 100, 0.5), (0.1, 25, 0.2), (0.05, 400, 0.5)):
        value = kelly.bet_shrinkage(sharpe, n)
        sheet.exact(5, f"bet shrinkage SR {sharpe} T {n}", value, expected)
    prior_trades = KellySettings().prior_trades
    for n, wins, b, p_known, f_known in (
        (20, 12, 2.0, 7 / 15, 0.2),
        (100, 60, 2.0, 5 / 9, 1 / 3),
        (20, 6, 2.0, 19 / 60, -0.025),
    ):
        p = kelly.shrunk_probability(wins, n, b, prior_trades)
        sheet.exact(40, f"shrunk p, {wins} of {n}, b 2", p, p_known)
        sheet.exact(40, f"shrunk Kelly, {wins} of {n}, b 2", kelly.kelly_fraction(p, b), f_known)
    record = [2.0] * 6 + [-1.0] * 14
    used = kelly.kelly_used(record, KellySettings())
    sheet.near(40, "Kelly used, 6 of 20, b 2", float("nan") if used is None else used, 0.0, 0.0)


def play_plan(sheet: Sheet) -> None:
    """Rows 38 and 39 (planned), and 53."""
    fine = Instrument.of("BTCUSDT", "0.00000001", "0.00000001")
    plan = mathematician.optimal_parameters(
        mathematician.AccountState(10_000.0, 10_000.0),
        mathematician.MarketConditions(fine, 90_000.0, 1, 0.02),
        Allowance(0.02, None),
        PlanSettings(),
        CostSettings(),
    )
    # The quantity is floored to 1e-8 of a coin, so notional may fall short by .0009.
    for case, value, expected, within in (
        ("stop", plan.sl_frac, 0.03, 1e-9),
        ("target", plan.tp_frac, 0.06, 1e-9),
        ("margin", plan.margin, 1_000.0, 1e-3),
        ("leverage", float(plan.leverage), 3.0, 0.0),
        ("notional", plan.notional, 3_000.0, 3e-3),
        ("profit at target", plan.profit_at_tp, 180.0, 2e-4),
        ("loss at stop", plan.loss_at_sl, 90.0, 1e-4),
    ):
        sheet.near(38, f"plan of 10,000: {case}", value, expected, within)
    risk = plan.loss_at_sl
    for case, value, text in (
        ("net at target", plan.net_profit_at_tp, "175.1796"),
        ("net at stop", plan.net_loss_at_sl, "-94.6098"),
        ("net R at target", plan.net_profit_at_tp / risk, "1.94644"),
        ("net R at stop", plan.net_loss_at_sl / risk, "-1.05122"),
    ):
        sheet.equal(39, f"plan of 10,000: {case}", value, text)
    _play_slopes(sheet)


def _play_slopes(sheet: Sheet) -> None:
    full = preset("full")
    settings = SizingSettings(ev_z=0.5, kelly_fraction=0.5)
    ev = 0.2 / 3.0 * 0.8 * 0.02
    seen = sizing_context(full, ev=ev, slopes=(_NO_LINE, _NO_LINE, (4.2, 1.6, 4.0)))
    mu, m2, _ = prior.exit_moments(seen, settings.ev_z)
    sheet.equal(53, "ev_kelly mu_e", float(mu[2]), "0.00206667")
    sheet.exact(53, "ev_kelly m2", float(m2[2]), 0.0016)
    point = ev_kelly.half_kelly_point(float(mu[2]), float(m2[2]), settings.kelly_fraction)
    sheet.equal(53, "ev_kelly f", point, "0.645833")
    small = sizing_context(full, ev=ev, slopes=(_NO_LINE, (1.9, 0.9, 4.0), _NO_LINE))
    chosen = ev_kelly.EvKelly(full, settings).decide(small, None).index
    sheet.near(53, "ev_kelly action at b_e 1.9 se_e .9 (0 skip)", float(chosen), 0.0, 0.0)
