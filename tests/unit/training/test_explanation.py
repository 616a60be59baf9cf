"""``training/explain.py`` on a finished bundle: tables, JSON, and what it refuses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.baselines import fixed_1x
from agents.outcomes import TradeOutcome
from agents.protocol import SizingAgent
from agents.reinforcement.settings import ReinforcementSettings
from agents.settings import KellySettings
from agents.sizing.kelly_cap import KellyCap, kelly_seat
from agents.sizing.math_mode import MathModeAgent
from envs.core.actions import preset
from envs.core.errors import FixInput
from envs.core.hooks import HookChain
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.trade import Decision
from envs.core.types import NS_PER_HOUR
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings
from runtime.bundle import load_bundle
from runtime.settings import load_settings
from runtime.signals.market import instant_of
from training import explain
from training.bundle_evaluation import signals_of
from training.explanation import Advice, moment_of, play_to
from training.inputs import iso
from training.simulate import Period, Simulator
from training.tape import fifth_edges, make_tape

Candidate = tuple[str, str]


class Recorder:
    """Keeps what the wrapped agent answered, by decision."""

    def __init__(self, agent: SizingAgent) -> None:
        self.agent, self.name, self.preset = agent, agent.name, agent.preset

    def __getattr__(self, name: str) -> Any:
        return getattr(self.agent, name)


@pytest.fixture(scope="module")
def bundle(finished: Path) -> Path:
    return finished / "bundle"


@pytest.fixture(scope="module")
def played(bundle: Path) -> dict[Candidate, Decision]:
    """Decisions of the bundle's agent over its held-out span, by time and symbol."""
    found, settings = load_bundle(bundle), load_settings(toml_path=bundle / "config.toml")
    data, votes, tape = signals_of(found, settings, None)
    market = data.market
    first = market.row_at(instant_of(found, "test_start"))
    period = Period(
        data, tape.signals, votes, tape.candidates, settings.core, found.table.preset, first,
        market.n_bars - 1,
    )  # fmt: skip
    made: dict[Candidate, Decision] = {}

    class Keeps(Recorder):
        def learn_one(self, resolved: Any) -> None:
            decision = resolved.decision
            made[(iso(decision.bar_close_ns), decision.symbol)] = decision

    recorder = Keeps(found.shipped)
    Simulator(period).run(recorder, learn=recorder)
    return made


def shown(capsys: pytest.CaptureFixture[str], bundle: Path, *options: str) -> str:
    assert explain.main(["--bundle", str(bundle), *options]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], bundle: Path, at: str, symbol: str) -> str:
    assert explain.main(["--bundle", str(bundle), "--at", at, "--symbol", symbol]) == 2
    got = capsys.readouterr()
    assert got.out == ""
    return got.err


def test_it_says_what_the_run_decided(
    bundle: Path, played: dict[Candidate, Decision], capsys: pytest.CaptureFixture[str]
) -> None:
    """The account stands where the evaluation's stood: same choice, same order."""
    spread = sorted(played)[:: max(1, len(played) // 4)]
    for at, symbol in spread:
        text = json.loads(shown(capsys, bundle, "--at", at, "--symbol", symbol, "--json"))
        decision = played[(at, symbol)]
        assert text["decision_id"] == decision.decision_id
        assert text["chosen"] == decision.chosen
        assert text["equity"] == pytest.approx(decision.equity_units * 1e-8, abs=1e-7)
        assert (text["executed"] > 0.0) == (decision.qty_steps > 0)
        mask = [not rung["masked"] for rung in text["rungs"]]
        assert mask == decision.context.mask.tolist()
        scores = [rung["value"]["score"] for rung in text["rungs"]]
        agent: Any = load_bundle(bundle).shipped
        own = [None if not np.isfinite(x) else x for x in agent.scores(decision.context)]
        assert scores == own


def test_for_people(
    bundle: Path, played: dict[Candidate, Decision], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", "80")
    at, symbol = sorted(played)[0]
    few = shown(capsys, bundle, "--at", at, "--symbol", symbol)
    every = shown(capsys, bundle, "--at", at, "--symbol", symbol, "--all")
    for word in (symbol, "expected", "learned", "score", "liq.", "effective", "limits", "Chosen"):
        assert word in few
    assert "of 76 actions shown" in few
    assert "of 76 actions shown" not in every
    assert "1.5x5 aggressive" in every
    assert max(len(line) for line in every.splitlines()) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in few + every
    monkeypatch.setenv("COLUMNS", "160")
    wide = shown(capsys, bundle, "--at", at, "--symbol", symbol, "--fresh")
    assert "equity 10,000.00" in wide


def test_the_mathematician_explains_his_plan(
    bundle: Path, played: dict[Candidate, Decision], capsys: pytest.CaptureFixture[str]
) -> None:
    at, symbol = sorted(played)[0]
    said = shown(capsys, bundle, "--at", at, "--symbol", symbol, "--set", "RL_SIZING_MODE=math_ai")
    assert "mathematician: margin" in said
    assert "agent math_ai" in said


def test_what_cannot_be_explained_is_refused(
    bundle: Path, played: dict[Candidate, Decision], capsys: pytest.CaptureFixture[str]
) -> None:
    at, symbol = sorted(played)[0]
    assert "no time zone" in refused(capsys, bundle, at.removesuffix("Z"), symbol)
    assert "expected a time" in refused(capsys, bundle, "yesterday", symbol)
    assert "BTCUSDT, ETHUSDT" in refused(capsys, bundle, at, "NOPE")
    assert "training span" in refused(capsys, bundle, "2020-01-10", symbol)
    assert "outside the bars" in refused(capsys, bundle, "2031-01-10", symbol)
    between = refused(capsys, bundle, at.replace(":00:00Z", ":30:00Z"), symbol)
    assert "no bar closes then" in between
    assert at in between


def test_a_bar_without_a_candidate_names_the_nearest(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, settings = load_bundle(bundle), load_settings(toml_path=bundle / "config.toml")
    data, _, tape = signals_of(found, settings, None)
    market, candidate = data.market, tape.signals.candidate[:, 0]
    first = market.row_at(instant_of(found, "test_start"))
    row = first + 50 + int(np.argmin(candidate[first + 50 :]))
    assert not candidate[row]
    before = int(np.flatnonzero(candidate[:row])[-1])
    after = row + int(np.argmax(candidate[row:]))
    said = refused(capsys, bundle, iso(int(market.close_ns[row])), market.symbols[0])
    assert "no candidate" in said
    for near in (before, after):
        assert iso(int(market.close_ns[near])) in said


def test_a_damaged_bundle_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    (copy / "ev_lines.json").write_text("{}")
    said = refused(capsys, copy, "2020-03-10T00:00:00Z", "BTCUSDT")
    assert "ev_lines.json" in said
    assert "sha256" in said
    assert "bundle?" in refused(capsys, tmp_path, "2020-03-10T00:00:00Z", "BTCUSDT")


@pytest.mark.parametrize(
    ("text", "hours"),
    [("1970-01-02", 24), ("1970-01-01T03:00:00Z", 3), ("1970-01-01T03:00:00+02:00", 1)],
)
def test_times_are_utc_nanoseconds(text: str, hours: int) -> None:
    assert moment_of(text) == hours * NS_PER_HOUR


@pytest.mark.parametrize("text", ["1970-01-01T03:00:00", "1970-01-01 03:00", "soon", "", "12"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(FixInput, match="--at"):
        moment_of(text)


@pytest.mark.parametrize("mode", ["math_ai", "agent"])
def test_kelly_finds_its_way_back_over_paper_as_in_a_run(mode: str) -> None:
    """Without an edge the account waits; the signals it does not trade go on being counted."""
    made = synthetic_market(SyntheticSettings(n_bars=2_500, seed=9))
    core, rules, grid = CoreSettings(), KellySettings(min_trades=5), preset("full")
    data = prepare(made.market, core)
    edges = fifth_edges(1_600, data.market.n_bars - 1)
    tape = make_tape(data, made.votes, core, ReinforcementSettings(), edges, made.pool_line, "aa")

    def advice() -> Advice:
        kelly = KellyCap(grid, rules, core.plan)
        for k in range(5):
            kelly.learn_one(TradeOutcome(f"before:{k}", "BTCUSDT", k, k + 1, -1.0, regime=0))
        agent: Any = fixed_1x(grid)
        if mode == "math_ai":
            instruments = {i.symbol: i for i in data.market.instruments}
            agent = MathModeAgent(agent, core, instruments, kelly)
        return Advice(agent, HookChain((kelly_seat(kelly),), core.signal.min_confidence), kelly)

    own, first = advice(), 1_519
    assert own.kelly.on_paper
    settings = replace(load_settings(), core=core)
    rows = np.flatnonzero(tape.signals.candidate[:, 0])
    before, after = (int(rows[rows > first + n][0]) for n in (2, 1_500))
    waiting = play_to(data, tape.signals, settings, advice(), first, before, 0)
    assert waiting.executed == 0.0
    found = play_to(data, tape.signals, settings, own, first, after, 0)
    assert not own.kelly.on_paper
    assert found.equity != core.start_equity_quote
    if mode == "math_ai":
        period = Period(
            data, tape.signals, made.votes, tape.candidates, core, grid, first, after
        )  # fmt: skip
        run = advice()
        Simulator(period, run.chain).run(run.agent, learn=run.agent)
        assert run.kelly.n_trades >= own.kelly.n_trades > 0
        assert not run.kelly.on_paper
