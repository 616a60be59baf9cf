"""A run replays to the last bit; one altered byte anywhere is found and named."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.sizing.math_mode import MathModeAgent
from runtime.bundle import load_bundle
from runtime.cli import main
from runtime.journal.bodies import decision_of
from runtime.journal.chain import Head, linked
from runtime.replay.opening import open_subject
from runtime.replay.replaying import Replayer
from runtime.replay.report import Report
from runtime.wiring.minds import minds_of
from tests.parity.runtime_bundle import make_bundle

TRADE = ("trade", "--venue", "sim", "--view", "none")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture(scope="module")
def lived(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a run that journalled everything."""
    state = tmp_path_factory.mktemp("lived") / "state"
    options = ("--bundle", str(bundle), "--state", str(state), "--journal", "full")
    assert main([*TRADE, *options, "--max-bars", "260"]) == 0
    return state


@pytest.fixture
def state(lived: Path, tmp_path: Path) -> Path:
    """A copy that may be altered."""
    return Path(shutil.copytree(lived, tmp_path / "state"))


def replayed(state: Path) -> Report:
    with open_subject(str(state)) as subject:
        return Replayer(subject).run()


def test_a_run_replays_to_the_last_bit(lived: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--state", str(lived)]) == 0
    said = capsys.readouterr().out
    assert "DIFFERENT" not in said
    report = replayed(lived)
    assert report.passed
    assert report.chain.checked == 1
    assert report.decisions.checked > 100
    assert report.signals.checked > report.decisions.checked
    assert report.trades.checked > 5
    assert report.learned.checked >= 1
    for check in report.checks:
        assert str(check.checked) in said


def alter(
    state: Path, kind: str, change: Callable[[dict[str, Any]], bool], *, rehash: bool
) -> tuple[int, str]:
    """Change the first record of a kind that ``change`` says it changed; its number and key."""
    db = sqlite3.connect(state / "journal.db")
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    found = (0, "")
    for seq, key, body in db.execute(
        "SELECT seq, key, body FROM journal WHERE kind=? ORDER BY seq", (kind,)
    ).fetchall():
        values = json.loads(body)
        if change(values):
            text = json.dumps(values, separators=(",", ":"))
            db.execute("UPDATE journal SET body=? WHERE seq=?", (text, seq))
            found = (seq, key)
            break
    if rehash:
        head = Head()
        for row in db.execute(
            "SELECT seq, kind, time_ns, key, body FROM journal ORDER BY seq"
        ).fetchall():
            head = linked(head, *row)
            db.execute("UPDATE journal SET hash=? WHERE seq=?", (head.hash, head.seq))
        db.execute("UPDATE state SET hash=?", (head.hash,))
    db.commit()
    db.close()
    assert found[0]
    return found


def one_bit(value: float) -> float:
    return value * (1.0 + 2.0**-52)


def _view(field: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], bool]:
    def changed(body: dict[str, Any]) -> bool:
        if body["decision"]["chosen"] is None:
            return False
        body["view"][field] = change(body["view"][field])
        return True

    return changed


def _context(field: str) -> Callable[[dict[str, Any]], bool]:
    def changed(body: dict[str, Any]) -> bool:
        context = body["view"]["context"]
        context[field] = one_bit(context[field])
        return True

    return changed


def _decision(field: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], bool]:
    def changed(body: dict[str, Any]) -> bool:
        if body["decision"]["chosen"] is None:
            return False
        body["decision"][field] = change(body["decision"][field])
        return True

    return changed


ALTERED: dict[str, tuple[Callable[[dict[str, Any]], bool], str, str]] = {
    "size": (_decision("qty_steps", lambda q: q + 1), "decisions", "qty_steps"),
    "choice": (_decision("chosen", lambda a: a + 1), "decisions", "chosen"),
    "reason": (_decision("reason", lambda r: r + "X"), "decisions", "reason"),
    "whether it could be executed": (
        _view("executable", lambda x: not x), "decisions", "chosen",
    ),
    "a vote": (_view("votes_up", lambda v: [one_bit(v[0]), *v[1:]]), "signals", "votes_up[0]"),
    "a weight": (_view("weights", lambda v: [one_bit(v[0]), *v[1:]]), "signals", "weights[0]"),
    "score": (_view("score", one_bit), "signals", "score"),
    "expected value": (_context("ev"), "signals", "context.ev"),
    "confidence": (_context("confidence"), "signals", "context.confidence"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ALTERED))
def test_an_altered_decision_is_found_and_named(name: str, state: Path) -> None:
    change, kind, field = ALTERED[name]
    seq, key = alter(state, "decision", change, rehash=True)
    report = replayed(state)
    check = getattr(report, kind)
    assert report.chain.passed
    assert not check.passed
    assert check.where == f"record {seq} decision {key}"
    assert field in {d.field for d in check.first}


def test_an_altered_byte_breaks_the_chain_and_fails_the_command(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, _, _ = ALTERED["size"]
    seq, key = alter(state, "decision", change, rehash=False)
    assert main(["replay", "--state", str(state)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "DIFFERENT" in said
    assert f"record {seq}" in said
    assert "qty_steps" in said
    assert replayed(state).chain.where == f"record {seq}"
    assert key in replayed(state).decisions.where


def test_an_altered_fill_is_found(state: Path) -> None:
    def change(body: dict[str, Any]) -> bool:
        body["fill"]["price_ticks"] += 1
        return True

    alter(state, "fill", change, rehash=True)
    report = replayed(state)
    assert not report.trades.passed
    assert {d.field for d in report.trades.first} & {"entry_ticks", "gross_units"}


def test_an_altered_trade_is_found(state: Path) -> None:
    def change(body: dict[str, Any]) -> bool:
        body["trade"]["net_units"] += 1
        return True

    seq, key = alter(state, "trade", change, rehash=True)
    report = replayed(state)
    assert report.trades.where == f"record {seq} trade {key}"
    assert "net_units" in {d.field for d in report.trades.first}


def test_altered_funding_is_found(state: Path) -> None:
    def change(body: dict[str, Any]) -> bool:
        body["entry"]["units"] += 1
        return True

    alter(state, "funding", change, rehash=True)
    assert {d.field for d in replayed(state).trades.first} == {"funding_units"}


def test_an_altered_lesson_is_found_in_what_was_learned(state: Path) -> None:
    def change(body: dict[str, Any]) -> bool:
        label = body["labels"][0]
        label["y_long"] = 1 - label["y_long"]
        return True

    alter(state, "labels", change, rehash=True)
    report = replayed(state)
    assert not report.learned.passed
    assert [d.field for d in report.learned.first] == ["reinforcement"]
    assert not report.signals.passed


@pytest.fixture(scope="module")
def remembered(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a run whose advisers learn the regimes of the bars."""
    state = tmp_path_factory.mktemp("remembered") / "state"
    options = ["--bundle", str(bundle), "--state", str(state), "--set", "MEMORY_ENABLED=true"]
    assert main([*TRADE, *options, "--journal", "full", "--max-bars", "700"]) == 0
    return state


def test_what_the_memory_learned_replays_to_the_last_bit(remembered: Path) -> None:
    db = sqlite3.connect(remembered / "journal.db")
    bodies = db.execute("SELECT body FROM journal WHERE kind='decision'").fetchall()
    advised = [e for (b,) in bodies for e in json.loads(b)["decision"]["effects"]]
    db.close()
    assert len({str(e) for e in advised if "memory" in str(e)}) > 5
    report = replayed(remembered)
    assert report.passed
    assert report.decisions.checked > 500
    assert report.learned.checked >= 1


def test_an_altered_regime_is_found(remembered: Path, tmp_path: Path) -> None:
    state = Path(shutil.copytree(remembered, tmp_path / "state"))

    count = [0]

    def change(body: dict[str, Any]) -> bool:
        count[0] += 1
        body["bars"][0]["regime"] = (body["bars"][0]["regime"] + 1) % 4
        return count[0] == 690

    alter(state, "regimes", change, rehash=True)
    report = replayed(state)
    assert [d.field for d in report.learned.first] == ["adviser-memory"]


def test_a_journal_without_regimes_is_refused(
    remembered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As versions before the records of regimes wrote it."""
    state = Path(shutil.copytree(remembered, tmp_path / "state"))
    db = sqlite3.connect(state / "journal.db")
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    db.execute("DELETE FROM journal WHERE kind='regimes'")
    db.commit()
    db.close()
    assert main(["replay", "--state", str(state)]) == 2
    assert "written by an older version" in " ".join(capsys.readouterr().err.split())


def test_a_coarse_journal_replays_what_it_holds(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--bundle", str(bundle), "--journal", "trades", "--max-bars", "260")
    assert main([*TRADE, *options, "--state", str(tmp_path / "s")]) == 0
    capsys.readouterr()
    assert main(["replay", "--state", str(tmp_path / "s")]) == 0
    assert "DIFFERENT" not in capsys.readouterr().out
    report = replayed(tmp_path / "s")
    assert (report.chain.checked, report.trades.checked > 5) == (1, True)
    for check in (report.decisions, report.signals, report.learned):
        assert check.checked == 0
        assert "is not in it" in check.note or "are not in it" in check.note

    assert main([*TRADE, *options, "--state", str(tmp_path / "frozen"), "--no-learn"]) == 0
    report = replayed(tmp_path / "frozen")
    assert report.passed
    assert report.decisions.checked >= report.trades.checked > 5


def test_orders_by_the_mathematician_replay_in_the_contracts_of_the_run(
    bundle: Path, tmp_path: Path
) -> None:
    """What the venue had changed since training stands in the record of the start."""
    state = tmp_path / "state"
    options = ["--bundle", str(bundle), "--state", str(state), "--set", "RL_SIZING_MODE=math_ai"]
    assert main([*TRADE, *options, "--journal", "full", "--max-bars", "120"]) == 0
    report = replayed(state)
    assert report.passed
    assert report.trades.checked > 3
    known = load_bundle(bundle)
    told = known.instruments
    coarse = [replace(i, step=i.step * 3) for i in told]
    with open_subject(str(state)) as subject:
        views = [decision_of(e.body)[0] for e in subject.journal.read({"decision"})]
        as_trained = minds_of(known, subject.settings, timed=False).brain
        as_traded = minds_of(known, subject.settings, timed=False, contracts=coarse).brain
    assert isinstance(as_trained, MathModeAgent)
    assert isinstance(as_traded, MathModeAgent)
    pairs = [(as_trained.parameters(v).qty, as_traded.parameters(v).qty) for v in views]
    assert all(b <= a for a, b in pairs)
    assert any(b < a for a, b in pairs)

    def change(body: dict[str, Any]) -> bool:
        assert body["contracts"] == []
        body["contracts"] = [i.to_json() for i in coarse]
        return True

    alter(state, "run", change, rehash=True)
    report = replayed(state)
    assert "plan" in str(report.decisions.first) or "qty_steps" in str(report.decisions.first)
    assert "gross_units" in {d.field for d in report.trades.first}


REFUSED: dict[str, tuple[Callable[[Path, Path], list[str]], str]] = {
    "no folder": (lambda state, _: ["--state", str(state / "x")], "no such folder"),
    "a folder without a journal": (lambda _, other: ["--state", str(other)], "journal"),
    "another bundle": (
        lambda state, other: ["--state", str(state), "--bundle", str(other / "bundle")],
        "not the bundle of this run",
    ),
    "no bundle": (
        lambda state, other: ["--state", str(state), "--bundle", str(other)], "give its folder",
    ),
    "a URL without settings": (
        lambda state, _: ["--state", f"sqlite:///{state / 'journal.db'}"], "--config",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_cannot_be_replayed_says_why(
    name: str, lived: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, said = REFUSED[name]
    other = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps({**manifest, "created": "then"}))
    assert main(["replay", *made(lived, tmp_path)]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_url_with_settings_replays(lived: Path) -> None:
    url = f"sqlite:///{lived / 'journal.db'}"
    assert main(["replay", "--state", url, "--config", str(lived)]) == 0
