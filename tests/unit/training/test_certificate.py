"""The certificate passes for the code as it is, and fails for a rule that was broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from agents.reinforcement import regret, weights
from agents.settings import SizingSettings
from agents.sizing import counterfactual, kelly, q_learning, table_math
from agents.sizing.counterfactual import CounterfactualAgent
from envs.core.errors import FixSettings
from envs.core.rules import booking, costs, pool, reward, simplex
from training import statistics_forecasts, statistics_sharpe
from training.certificate import (
    ELSEWHERE,
    FULL,
    GAMES,
    QUICK,
    Certificate,
    certify,
    exact_games,
    games_named,
    summary_of,
)
from training.games.sheet import Row, Sheet

Patch = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def whole() -> Certificate:
    """Every game, played once."""
    return certify()


def test_every_known_answer_agrees(whole: Certificate) -> None:
    assert whole.failed == ()
    assert whole.passed
    assert whole.form == FULL
    assert len(whole.rows) > 200


def test_every_row_of_the_specification_is_played_or_named(whole: Certificate) -> None:
    played = {row.number for row in whole.rows}
    assert played.isdisjoint(ELSEWHERE)
    assert played | set(ELSEWHERE) == set(range(1, 55))


def test_the_page_in_the_documentation_is_of_these_games(whole: Certificate, root: Path) -> None:
    page = (root / "docs" / "certificate.md").read_text(encoding="utf-8")
    said = [tuple(line.split(" | ")[:2]) for line in page.splitlines() if line.startswith("| ")]
    cases = [(int(number[2:]), case) for number, case in said if number[2:].isdigit()]
    assert cases == [(row.number, row.case) for row in whole.rows]
    assert f"{len(cases)} of {len(cases)} figures agree" in page


def test_the_exact_games_give_the_same_digest_every_time() -> None:
    first, second = certify(exact_games()), certify(exact_games())
    assert first.form == QUICK
    assert first.passed
    assert first.to_json() == second.to_json()
    assert first.to_json()["digest"] != certify(games_named(["kelly"])).to_json()["digest"]


def test_learning_games_repeat_exactly(whole: Certificate) -> None:
    again = certify(games_named(["merton", "ledger", "betting"]))
    known = {(row.number, row.case): row.value for row in whole.rows}
    assert all(known[row.number, row.case] == row.value for row in again.rows)


def _set(owner: Any, name: str, broken: Any) -> Patch:
    return lambda patch: patch.setattr(owner, name, broken)


def _steps_the_wrong_way(settings: SizingSettings, visits: float) -> float:
    return -min(0.15, settings.alpha)


def _constant_small_step(settings: SizingSettings, visits: float) -> float:
    return 1e-4


def _single_table(agent: q_learning.QLearningAgent, *args: Any) -> float:
    """Double Q that values a choice by the table that made it."""
    following, table, _ = args
    if following is None or following.terminal:
        return 0.0
    shown = np.where(following.mask, table[following.state], -np.inf)
    return agent.settings.classic_discount * float(shown.max())


def _forgets_the_mask(agent: CounterfactualAgent, context: Any) -> int:
    return agent.preset.n - 1


def _table_math_with(old: str, new: str) -> Patch:
    """The table's compiled loops built from a source in which one rule reads otherwise."""
    source = Path(table_math.__file__).read_text(encoding="utf-8")
    assert source.count(old) == 1

    text = source.replace(old, new).replace('"cache": True', '"cache": False')

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "broken_table_math.py"
            file.write_text(text, encoding="utf-8")
            spec = spec_from_file_location(file.stem, file)
            assert spec is not None
            assert spec.loader is not None
            broken = module_from_spec(spec)
            spec.loader.exec_module(broken)
        monkeypatch.setattr(counterfactual, "compiled", broken.compiled)

    return patch


_reweigh, _shaped, _funding = pool.reweigh, reward.shaped_reward, booking.funding_received
_project, _update, _shrunk = simplex.project4, weights.exponential_update, table_math.shrunk_score
_WRONG_RATE = 4.0

MUTATIONS: dict[str, tuple[Patch, str, int]] = {
    "Q steps against the error": (
        _set(q_learning, "step_size", _steps_the_wrong_way), "rewards", 44,
    ),
    "Q steps against the error, in a world": (
        _set(q_learning, "step_size", _steps_the_wrong_way), "cliff", 8,
    ),
    "Q hardly moves": (_set(q_learning, "step_size", _constant_small_step), "cliff", 8),
    "double Q uses one table": (
        _set(q_learning.QLearningAgent, "_bootstrap", _single_table), "maximisation-bias", 11,
    ),
    "bet shrinkage forgets the sample": (
        _set(kelly, "bet_shrinkage", lambda sharpe, n: 1.0), "kelly", 5,
    ),
    "Kelly bets the win probability": (_set(kelly, "kelly_fraction", lambda p, b: p), "kelly", 1),
    "Kelly bets twice too much in the coin game": (
        _set(kelly, "kelly_fraction", lambda p, b: 2.0 * (p * (b + 1.0) - 1.0) / b), "coin", 3,
    ),
    "shrinkage of the table is left out": (
        _set(table_math, "shrunk_score", lambda n1, n2, n3, m1, *rest: m1), "score", 51,
    ),
    "the table takes the largest action": (
        _set(CounterfactualAgent, "_best", _forgets_the_mask), "merton", 6,
    ),
    "the table steps by .15": (
        _table_math_with("step = step if step > min_step else min_step", "step = 0.15"),
        "update", 51,
    ),
    "the table counts overlapping rows in full": (
        _table_math_with("effective[a] += u if", "effective[a] += 1.0 if"), "update", 51,
    ),
    "the table mixes up its levels": (
        _table_math_with("r1 if level == 1 else r1 // 5", "r1 if level == 1 else r1 // 4"),
        "update", 51,
    ),
    "the table learns beside its prior": (
        _table_math_with("reward[a] - prior_on(", "reward[a] + prior_on("), "update", 51,
    ),
    "the table forgets the Kelly charge": (
        _table_math_with("(1.0 / kelly - 1.0) * f[a]", "0.0 * f[a]"), "update", 51,
    ),
    "the table rewards uncertainty": (
        _table_math_with("mu1 - z * sd", "mu1 + z * sd"), "update", 51,
    ),
    "the table learns the sign wrong": (
        _set(reward, "log_growth", lambda net, equity: -net / equity), "merton", 6,
    ),
    "the posterior learns too fast": (
        _set(pool, "reweigh", lambda w, x, eta, share: _reweigh(w, x, _WRONG_RATE * eta, share)),
        "pool", 35,
    ),
    "the posterior follows the losers": (
        _set(pool, "reweigh", lambda w, x, eta, share: _reweigh(w, x, -eta, share)),
        "brier-regret", 13,
    ),
    "the substitution is the plain mean": (
        _set(pool, "aggregate", lambda p, w, eta: float(p @ w)), "brier-regret", 13,
    ),
    "fixed share never shares": (
        _set(pool, "reweigh", lambda w, x, eta, share: _reweigh(w, x, eta, 0.0)), "tracking", 49,
    ),
    "the tracking bound forgets the switches": (
        _set(regret, "tracking_bound", lambda n, rounds, k, s: 1.0), "tracking", 49,
    ),
    "exponential weights grow with losses": (
        _set(weights, "exponential_update",
             lambda w, a, g, s: _update(w, -a, g, s)), "hedge", 12,
    ),
    "clipping instead of projection": (
        _set(simplex, "project4", lambda *v: tuple(min(0.5, max(0.05, x)) for x in v[:4])),
        "weights", 32,
    ),
    "shaped reward without holding cost": (
        _set(reward, "shaped_reward", lambda f, s, hours, mae: _shaped(f, s, 0.0, mae)),
        "rewards", 46,
    ),
    "funding with the wrong sign": (
        _set(costs, "funding_quote", lambda side, notional, rate: side * notional * rate),
        "costs", 23,
    ),
    "funding booked with the wrong sign": (
        _set(booking, "funding_received", lambda *a: -_funding(*a)), "settlement", 23,
    ),
    "deflation forgets the trials": (
        _set(statistics_sharpe, "expected_maximum", lambda trials: 0.0), "sharpe", 16,
    ),
    "an interval that never adapts": (
        _set(statistics_forecasts.AdaptiveLevel, "learn", lambda level, missed: None),
        "coverage", 15,
    ),
    "betting wealth that never loses": (
        _set(statistics_forecasts, "betting_wealth",
             lambda wins, f: np.exp(np.cumsum(np.log1p(f * wins), axis=-1))), "betting", 24,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_rule_fails_the_certificate(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patch, game, number = MUTATIONS[name]
    patch(monkeypatch)
    broken = certify(games_named([game]))
    assert not broken.passed
    assert number in {row.number for row in broken.failed}
    summary = summary_of(broken.to_json())
    assert summary["passed"] is False
    assert summary["known_answers"][str(number)] is False
    assert any(text.startswith(f"{number}: ") for text in summary["failed"])


def test_nothing_played_is_no_pass() -> None:
    assert not certify(()).passed
    assert summary_of(certify(()).to_json())["passed"] is False


def test_a_game_that_breaks_off_fails_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kelly, "kelly_growth", lambda p, b, f: 1.0 / 0.0)
    broken = certify(games_named(["kelly", "counts"]))
    assert {row.number for row in broken.failed} == {1, 2, 4, 5, 40}
    assert "kelly broke off: ZeroDivisionError" in broken.failed[0].case
    assert broken.to_json()["rows"][-1]["passed"] is True


def test_games_fill_the_rows_they_name(whole: Certificate) -> None:
    for game in GAMES:
        if game.exact:
            assert {row.number for row in certify([game]).rows} == set(game.numbers)
    assert {row.number for row in whole.rows} == {n for game in GAMES for n in game.numbers}


def test_an_unknown_game_is_refused_by_name() -> None:
    with pytest.raises(FixSettings, match="unknown game 'chess': choose among kelly, "):
        games_named(["kelly", "chess"])


def test_games_have_different_names() -> None:
    assert len({game.name for game in GAMES}) == len(GAMES)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("rule", ["equal", "at most", "at least"])
def test_what_is_not_finite_never_passes(value: float, rule: Any) -> None:
    assert not Row(1, "x", value, 0.0, 1e9, rule).passed


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [("equal", (0.9, 1.1), (0.89, 1.11)), ("at most", (-5.0, 1.1), (1.11,)),
     ("at least", (0.9, 5.0), (0.89,))],
)  # fmt: skip
def test_verdicts(rule: Any, good: tuple[float, ...], bad: tuple[float, ...]) -> None:
    assert all(Row(1, "x", value, 1.0, 0.1 + 1e-12, rule).passed for value in good)
    assert not any(Row(1, "x", value, 1.0, 0.1, rule).passed for value in bad)


def test_a_printed_figure_is_met_within_half_its_last_place() -> None:
    sheet = Sheet()
    for value in (0.12345, 0.123449, 0.12344, 0.12346):
        sheet.equal(1, "x", value, "0.12345")
    assert [row.passed for row in sheet.rows] == [True, True, False, False]
