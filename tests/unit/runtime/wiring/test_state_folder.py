from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from envs.core.errors import DamagedArtifact, FixInput, RefusedArtifact
from runtime.settings import load_settings
from runtime.wiring.plan import TradePlan
from runtime.wiring.state_folder import COMMANDS, CONFIG, RUN, StateFolder, note_run
from runtime.wiring.state_folder import open_state as open_only
from tests.unit.runtime.wiring.asked import plan_from


def open_state(plan: TradePlan) -> StateFolder:
    """As a run opens it: checked, then noted."""
    folder = open_only(plan)
    note_run(folder.path, plan)
    return folder


def test_a_new_state_notes_what_it_belongs_to(bundle: Path, tmp_path: Path) -> None:
    plan = plan_from("--bundle", bundle, "--state", tmp_path / "s", "--venue", "local")
    folder = open_state(plan)
    assert not folder.resumed
    run = json.loads((folder.path / RUN).read_text())
    assert run["bundle"] == str(bundle.resolve())
    assert run["venue"] == "local"
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    said = (folder.path / COMMANDS).read_text()
    assert said == plan.command + "\n"
    assert load_settings(None, folder.path / CONFIG).core == plan.settings.core


def test_the_same_again_is_continued_and_every_command_is_kept(
    bundle: Path, tmp_path: Path
) -> None:
    options = ("--bundle", bundle, "--state", tmp_path / "s", "--venue", "local")
    open_state(plan_from(*options))
    again = open_state(plan_from(*options, "--max-bars", "5", "--monitor", "9"))
    assert again.resumed
    assert len((again.path / COMMANDS).read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--set", "COST_TAKER_FEE=0.0006"), "costs.taker_fee: 0.0004 then, 0.0006 now"),
        (("--no-learn",), "--learn/--no-learn: True then, False now"),
        (("--symbols", "BTCUSDT"), "--symbols: BTCUSDT,ETHUSDT then, BTCUSDT now"),
        (("--speed", "lockstep"), "--speed lockstep: False then, True now"),
        (("--seed", "9"), "run.seed: 0 then, 9 now"),
    ],
)
def test_another_run_is_refused_by_name_and_changes_nothing(
    bundle: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    base = ("--bundle", bundle, "--state", tmp_path / "s", "--venue", "local")
    folder = open_state(plan_from(*base)).path
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(RefusedArtifact) as caught:
        open_state(plan_from(*base, *options))
    assert said in str(caught.value)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_another_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    plan = plan_from("--bundle", bundle, "--state", tmp_path / "s")
    folder = open_state(plan).path
    path = folder / RUN
    path.write_text(path.read_text().replace('"bundle_digest": "', '"bundle_digest": "0'))
    with pytest.raises(RefusedArtifact, match="the bundle's manifest"):
        open_state(plan)


def test_a_journal_of_nobody_is_refused(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"x")
    with pytest.raises(RefusedArtifact, match=r"no run\.json"):
        open_state(plan_from("--bundle", bundle, "--state", tmp_path))


def test_a_damaged_record_is_refused(bundle: Path, tmp_path: Path) -> None:
    plan = plan_from("--bundle", bundle, "--state", tmp_path / "s")
    folder = open_state(plan).path
    (folder / RUN).write_text("{")
    with pytest.raises(DamagedArtifact, match="cannot be read"):
        open_state(plan)


def test_a_folder_that_cannot_be_made_is_refused(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    plan = plan_from("--bundle", bundle)
    with pytest.raises(FixInput, match="cannot be used"):
        open_state(replace(plan, state=tmp_path / "file" / "s"))


def test_no_password_reaches_the_folder(bundle: Path, tmp_path: Path) -> None:
    url = "postgresql://trader:hunter2@db/trader"
    plan = plan_from("--bundle", bundle, "--state", url, environ={"QT_DEMO_API_KEY": "key-1"})
    folder = open_state(replace(plan, state=tmp_path / "s")).path
    for path in folder.iterdir():
        text = path.read_text()
        assert "hunter2" not in text
        assert "key-1" not in text
