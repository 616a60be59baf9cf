from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from envs.core.errors import FixInput, FixSettings, RefusedArtifact
from runtime.wiring.asking import shown_command
from tests.unit.runtime.wiring.asked import plan_from


def test_without_options_the_bundle_is_simulated_with_its_own_settings(bundle: Path) -> None:
    plan = plan_from("--bundle", bundle)
    assert (plan.venue, plan.journal, plan.on_exit, plan.learn) == ("sim", "trades", "leave", True)
    assert plan.settings.run.synthetic_bars == 3_500
    assert plan.settings.run.symbols == ("BTCUSDT", "ETHUSDT")
    assert plan.account_name == "sim"
    assert plan.state.parent == Path("runs")
    assert plan.state.name.startswith("trade-sim-20260102-030405-")


def test_options_come_before_the_environment_and_that_before_the_bundle(
    bundle: Path, tmp_path: Path
) -> None:
    config = tmp_path / "own.toml"
    config.write_text("[trading]\nmonitor_s = 7.0\ncycle_s = 50.0\n[costs]\ntaker_fee = 0.0007\n")
    environ = {"QT_MONITOR_S": "8", "QT_VENUE": "local", "QT_JOURNAL": "full"}
    plan = plan_from(
        "--bundle", bundle, "--config", config, "--loop", "60", "--on-exit", "flatten",
        environ=environ,
    )  # fmt: skip
    trading = plan.settings.trading
    assert (trading.monitor_s, trading.cycle_s) == (8.0, 60.0)
    assert plan.settings.core.costs.taker_fee == 0.0007
    assert (plan.venue, plan.journal, plan.on_exit) == ("local", "full", "flatten")


def test_live_venues_journal_everything_and_keep_one_folder(bundle: Path) -> None:
    plan = plan_from("--bundle", bundle, "--venue", "demo")
    assert (plan.journal, plan.state) == ("full", Path("runs/trade-demo"))


def test_a_database_url_is_no_folder_and_its_password_stands_in_no_record(bundle: Path) -> None:
    url = "postgresql://trader:hunter2@db/trader"
    plan = plan_from("--bundle", bundle, "--venue", "demo", "--state", url)
    assert plan.database_url == url
    assert "hunter2" not in plan.command
    assert "hunter2" not in repr(plan)
    again = plan_from("--bundle", bundle, environ={"QT_DATABASE_URL": url})
    assert again.database_url == url


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:pa/ss@h/d", "postgresql://u:p?a:ss@h/d", "postgresql://h/d?password=pass",
     "postgresql://h/d?user=u&sslpassword=pass", "odd://u:pass", "SQLITE://u:pass@@/"],
)  # fmt: skip
def test_no_part_of_a_password_stands_in_the_command(url: str) -> None:
    for argv in (["--state", url], [f"--state={url}"]):
        said = shown_command(argv)
        assert "pa" not in said.partition("--state")[2]
    plain = ["--exchange-url", "http://127.0.0.1:18080", "--state", "runs/x"]
    assert shown_command(plain).endswith("--exchange-url http://127.0.0.1:18080 --state runs/x")


def test_the_coarse_level_is_for_a_simulation_alone(bundle: Path) -> None:
    for venue in ("local", "demo"):
        with pytest.raises(FixSettings, match="would forget"):
            plan_from("--bundle", bundle, "--venue", venue, "--journal", "trades")
    assert plan_from("--bundle", bundle, "--journal", "trades").journal == "trades"


def test_a_database_url_may_come_from_a_file(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("sqlite:///x.db\n")
    path.chmod(0o600)
    plan = plan_from("--bundle", bundle, environ={"QT_DATABASE_URL_FILE": str(path)})
    assert plan.database_url == "sqlite:///x.db"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--max-bars", "0"), "--max-bars: at least 1"),
        (("--speed", "0"), "--speed: lockstep or a number"),
        (("--speed", "fast"), "--speed: lockstep or a number"),
        (("--start", "tomorrow"), "--start: a date such as"),
        (("--start", "2020-05-02", "--end", "2020-05-01"), "--start must be before --end"),
        (("--end", "2020-01-05"), "held-out period"),
        (("--exchange-url", "http://127.0.0.1:1"), "--exchange-url is for --venue local"),
        (("--venue", "local", "--control-url", "http://x"), "--control-url needs --exchange-url"),
        (("--venue", "local", "--speed", "lockstep", "--exchange-url", "http://127.0.0.1:1"),
         "needs --control-url"),
        (("--venue", "demo", "--start", "2020-01-01"), "--start is for sim and local"),
        (("--monitor", "1000"), "QT_MONITOR_S"),
        (("--set", "COST_TAKER_FE=1"), "did you mean COST_TAKER_FEE"),
        (("--symbols", "DOGEUSDT"), "not in the bundle"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_a_sentence(
    bundle: Path, options: tuple[str, ...], said: str
) -> None:
    with pytest.raises(FixInput, match=said):
        plan_from("--bundle", bundle, *options)


@pytest.mark.parametrize(
    ("setting", "said"),
    [("QT_INTERVAL=4h", "timeframe"), ("QT_HORIZON=16", "horizon_bars"),
     ("RL_SIZING_PRESET=overview", "preset")],
)  # fmt: skip
def test_settings_that_give_the_bundle_another_meaning_are_refused(
    bundle: Path, setting: str, said: str
) -> None:
    with pytest.raises(RefusedArtifact, match=said):
        plan_from("--bundle", bundle, "--set", setting)


def test_a_bundle_that_is_none_or_altered_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(RefusedArtifact, match="no such file"):
        plan_from("--bundle", tmp_path)
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    path = copy / "sizing.json"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(RefusedArtifact, match="sha256"):
        plan_from("--bundle", copy)


def test_an_unknown_variable_is_refused_not_ignored(bundle: Path) -> None:
    with pytest.raises(FixSettings, match="QT_MONITOR_S"):
        plan_from("--bundle", bundle, environ={"QT_MONITR_S": "3"})


def test_the_period_of_a_bundle_is_its_manifests(bundle: Path) -> None:
    spans = json.loads((bundle / "manifest.json").read_text())["spans"]
    plan = plan_from("--bundle", bundle, "--end", spans["test_end"])
    assert plan.start_ns is None
    assert plan.end_ns is not None
