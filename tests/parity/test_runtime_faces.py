"""Environment == runtime on sim == runtime over ccxt on the local exchange, learning on.

Built-in market, a bundle trained on the spot, the command as a user runs it. No tolerance: every
field of every decision, trade and booking, equity at every close, and both agents afterwards. A
runtime that is broken on purpose must be caught and the broken field named.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runtime.trading.books as books
from envs.core.errors import FixInput
from envs.core.market_data import MarketData
from envs.core.rules.exits import Levels, initial_levels
from envs.core.settings import CoreSettings
from envs.core.tape import VoteTable
from envs.core.types import MODEL_NAMES
from envs.market.build import load_market
from envs.market.labels import triple_barrier
from runtime import parity_cli
from runtime.parity import ground
from runtime.port_values import Fill
from tests.parity.runtime_bundle import make_bundle

EAGER = (
    "QT_AI_MAX_OPEN_DD=0.03", "QT_AI_SELF_HEALING_DD_WARNING=0.005",
    "QT_AI_SELF_HEALING_DD_STOP=0.01", "QT_AI_MAX_DAILY_DD=0.02", "QT_ESS_MAX_TOTAL_DD=0.05",
    "QT_ESS_MAX_STOPS_15M=1",
)  # fmt: skip
"""Limits that are met often: the ladder's exits, cool-downs and recoveries."""
Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("parity") / "bundle")


def arguments(bundle: Path, out: Path, *options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parity_cli.add_arguments(parser)
    return parser.parse_args(["--bundle", str(bundle), "--json", str(out), *options])


@pytest.fixture
def run(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command's exit status and what it wrote."""
    monkeypatch.setenv("QT_CACHE_DIR", str(tmp_path / "cache"))

    def compare(*options: str, of: Path = bundle) -> tuple[int, dict[str, Any]]:
        out = tmp_path / "found.json"
        status = parity_cli.main(arguments(of, out, *options))
        found: dict[str, Any] = json.loads(out.read_text())
        return status, found

    return compare


def same(found: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    """The counts of the first face, once nothing differed and no face raised an alarm."""
    status, told = found
    assert status == 0, [c["first"] for c in told["comparisons"]]
    assert told["equal"]
    assert all(not face["alarms"] for face in told["faces"])
    assert all(not any(c["differences"].values()) for c in told["comparisons"])
    counts: dict[str, Any] = told["faces"][0]["counts"]
    return counts


@pytest.mark.slow
def test_three_faces_trade_and_learn_alike(run: Run) -> None:
    found = run("--faces", "env,compiled,sim,local", "--policy", "always", "--max-bars", "200")
    counts = same(found)
    assert counts["trades"] >= 30
    assert counts["learned"] >= 100
    assert {"exits STOP", "exits PARTIAL", "exits TARGET", "exits END"} <= set(counts)
    digests = [f["digests"] for f in found[1]["faces"] if f["face"] != "compiled"]
    assert len(digests) == 3
    assert digests[0] == digests[1] == digests[2]
    first = found[1]["comparisons"][-1]
    assert first["right"] == "local"
    assert first["lines"]["closed trades"] == counts["trades"]


@pytest.mark.slow
def test_the_ladder_acts_alike_on_the_exchange(run: Run) -> None:
    options = [x for setting in EAGER for x in ("--set", setting)]
    faces = ("--faces", "env,sim,local", "--policy", "random", "--max-bars", "120")
    counts = same(run(*faces, *options))
    assert counts["gate"] >= 5


@pytest.mark.parametrize(
    ("policy", "learn"), [("shipped", "--learn"), ("always", "--no-learn"), ("random", "--learn")]
)
def test_environment_and_runtime_agree_over_the_whole_held_out_span(
    run: Run, policy: str, learn: str
) -> None:
    counts = same(run("--faces", "env,sim", "--policy", policy, learn))
    assert counts["bars"] > 1_000
    assert counts["trades"] >= 30


def test_the_ladder_acts_alike(run: Run) -> None:
    options = [x for setting in EAGER for x in ("--set", setting)]
    counts = same(run("--faces", "env,sim", "--policy", "random", *options))
    assert counts["gate"] >= 50
    assert counts["exits DEFENSIVE"] + counts["exits EMERGENCY"] >= 2


def test_weights_that_learn_from_trades_move_alike(
    run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("exponential") / "bundle"
    other = make_bundle(folder, algorithm="platt_exponential")
    counts = same(run("--faces", "env,sim", "--policy", "always", "--max-bars", "500", of=other))
    assert counts["trades"] >= 30


def test_learning_changes_both_agents(bundle: Path, run: Run) -> None:
    learned = run("--faces", "env,sim", "--max-bars", "60")[1]["faces"][1]["digests"]
    frozen = run("--faces", "env,sim", "--max-bars", "60", "--no-learn")[1]["faces"][1]["digests"]
    assert all(learned[name] != frozen[name] for name in learned)


def first_of(found: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    """The first difference, once the command said that there is one."""
    status, told = found
    assert status == 1
    assert not told["equal"]
    first: dict[str, Any] = told["comparisons"][0]["first"]
    return first


def test_a_fee_that_is_off_by_one_unit_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    booked = books.Books.open

    def dearer(self: books.Books, s: int, fill: Fill, *rest: Any) -> Any:
        return booked(self, s, replace(fill, fee_units=fill.fee_units + 1), *rest)

    monkeypatch.setattr(books.Books, "open", dearer)
    options = ("--faces", "env,sim", "--policy", "always", "--max-bars", "60")
    first = first_of(run(*options))
    assert first["chapter"] == "ledger entries"
    assert first["what"].endswith(" FEE")
    (field,) = first["fields"]
    assert field["field"] == "units"
    assert int(field["left"]) - int(field["right"]) == 1


def test_a_stop_that_is_off_by_one_tick_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def looser(*values: Any) -> Levels:
        levels = initial_levels(*values)
        return levels._replace(stop0=levels.stop0 - 1)

    monkeypatch.setattr(books, "initial_levels", looser)
    first = first_of(run("--faces", "env,sim", "--policy", "always", "--max-bars", "60"))
    assert first["chapter"] == "closed trades"
    fields = {f["field"]: (f["left"], f["right"]) for f in first["fields"]}
    left, right = (int(x) for x in fields["stop0_ticks"])
    assert abs(left - right) == 1


def test_a_decision_that_is_another_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from runtime.trading.entering import Entering

    prepared = Entering.prepare

    def larger(self: Entering, s: int, entry: Any) -> Any:
        order = entry.order._replace(qty=entry.order.qty + 1)
        return prepared(self, s, replace(entry, order=order))

    monkeypatch.setattr(Entering, "prepare", larger)
    first = first_of(run("--faces", "env,sim", "--policy", "always", "--max-bars", "60"))
    assert first["chapter"] in ("ledger entries", "closed trades")


def drawn_votes(market: MarketData, core: CoreSettings) -> VoteTable:
    """Votes drawn at random on any bars, with the bars' own labels."""
    rng = np.random.default_rng(7)
    shape = (market.n_bars, market.n_symbols, len(MODEL_NAMES))
    up = np.round(rng.uniform(0.35, 0.6, shape), 6)
    down = np.round(rng.uniform(0.35, 0.6, shape), 6)
    down = np.minimum(down, np.round(1.0 - up, 6))
    labels = triple_barrier(market, core.signal.horizon_bars, core.costs)
    ev = (up - down) * np.nan_to_num(market.atr_frac)[:, :, None]
    return VoteTable(
        MODEL_NAMES, up, down, np.repeat(market.complete[:, :, None], shape[2], axis=2), ev,
        labels.y_long, labels.y_short, labels.gross, labels.end, "planted",
        core.signal.horizon_bars,
    )  # fmt: skip


@pytest.mark.real_data
@pytest.mark.slow
def test_real_bars_marks_and_funding_end_in_the_same_books(
    run: Run, real_data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signals are drawn, so that no model has to be trained for it; the bars are real."""
    days = (np.datetime64("2022-02-01", "ns"), np.datetime64("2022-09-01", "ns"))
    first, last = (int(d.astype(np.int64)) for d in days)
    core = CoreSettings()
    market, _ = load_market(real_data_dir, ("BTCUSDT", "ETHUSDT"), "1h", first, last)
    votes = drawn_votes(market, core)
    monkeypatch.setattr(ground, "market_of_bundle", lambda *_: (market, votes))
    start = "2022-05-01"
    counts = same(run("--faces", "env,sim", "--policy", "random", "--start", start))
    assert counts["trades"] > 100
    assert counts["exits TIME"] > 0
    counts = same(
        run("--faces", "sim,local", "--policy", "always", "--start", start, "--max-bars", "60")
    )
    assert counts["trades"] > 5


def test_contracts_the_bundle_does_not_know_are_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(FixInput, match="FOOUSDT"):
        parity_cli.plan_of(arguments(bundle, tmp_path / "x.json", "--symbols", "FOOUSDT"))
