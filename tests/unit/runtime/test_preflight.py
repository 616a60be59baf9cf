"""Before a start, without a venue: settings, bundle, keys, disk, journal."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from envs.core.errors import FixInput
from envs.core.instrument import Instrument
from envs.market.features import feature_names, schema_hash
from runtime import preflight_local
from runtime.bundle import Bundle
from runtime.preflight import Preflight, PreflightReport, Verdict
from runtime.preflight_local import check_bundle, check_disk, check_journal, check_keys
from runtime.preflight_report import ok, refuse, warn
from runtime.settings import Settings
from runtime.store.database import open_database
from runtime.store.run_lock import RunLock

MANIFEST: dict[str, Any] = {
    "timeframe": "1h", "horizon_bars": 8, "entry_style": "market", "preset": "full",
    "symbols": ["BTCUSDT", "ETHUSDT"],
}  # fmt: skip
KEY, SECRET = "k" * 20 + "QY7", "s" * 20 + "ZX3"


def bundle_of(folder: Path, *, features: str = "", **manifest: Any) -> Bundle:
    """A bundle as far as the checks look into it."""
    instruments = tuple(Instrument.of(s, "0.01", "0.001") for s in ("BTCUSDT", "ETHUSDT"))
    none = cast(Any, None)
    return Bundle(
        folder, {**MANIFEST, **manifest}, none, none, none, None, (), instruments,
        features or schema_hash(feature_names()), feature_names(), folder / "config.toml",
    )  # fmt: skip


def with_core(**changes: Any) -> Settings:
    settings = Settings()
    return replace(settings, core=replace(settings.core, **changes))


def test_a_bundle_that_fits_passes(tmp_path: Path) -> None:
    assert check_bundle(bundle_of(tmp_path), Settings()).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("manifest", "features", "word"),
    [({}, "ab" * 32, "train a bundle with this version"), ({"timeframe": "4h"}, "", "timeframe"),
     ({"horizon_bars": 4}, "", "horizon"), ({"entry_style": "post_only"}, "", "entry style"),
     ({"symbols": ["ETHUSDT"]}, "", "BTCUSDT")],
)  # fmt: skip
def test_a_bundle_for_something_else_is_refused(
    tmp_path: Path, manifest: dict[str, Any], features: str, word: str
) -> None:
    found = check_bundle(bundle_of(tmp_path, features=features, **manifest), Settings())
    assert found.verdict is Verdict.REFUSE
    assert word in found.text


def test_settings_out_of_range_or_against_each_other_are_refused() -> None:
    risk = replace(Settings().core.risk, max_daily_dd=5.0)
    found = preflight_local.check_settings(with_core(risk=risk), "local")
    assert found.verdict is Verdict.REFUSE
    assert "QT_AI_MAX_DAILY_DD = 5.0" in found.text
    risk = replace(Settings().core.risk, dd_stop=0.06)
    found = preflight_local.check_settings(with_core(risk=risk), "local")
    assert "must be below" in found.text
    assert preflight_local.check_settings(Settings(), "demo").verdict is Verdict.OK


def test_automatic_acknowledgement_is_refused_by_the_venue_that_is_used() -> None:
    settings = replace(Settings(), live=replace(Settings().live, ess_auto_ack="true"))
    assert preflight_local.check_settings(settings, "local").verdict is Verdict.OK
    found = preflight_local.check_settings(settings, "demo")
    assert (found.verdict, "QT_ESS_AUTO_ACK" in found.text) == (Verdict.REFUSE, True)


def test_keys_are_asked_for_where_they_are_needed(tmp_path: Path) -> None:
    assert check_keys("local", {}).verdict is Verdict.OK
    assert "QT_DEMO_API_KEY" in check_keys("demo", {}).text
    both = {"QT_DEMO_API_KEY": KEY, "QT_DEMO_API_SECRET": SECRET}
    found = check_keys("demo", both)
    assert found.verdict is Verdict.OK
    assert KEY not in found.text
    file = tmp_path / "secret"
    file.write_text(SECRET)
    file.chmod(0o644)
    by_file = {"QT_DEMO_API_KEY": KEY, "QT_DEMO_API_SECRET_FILE": str(file)}
    found = check_keys("demo", by_file)
    assert (found.verdict, "chmod 600" in found.text) == (Verdict.REFUSE, True)
    file.chmod(0o600)
    assert check_keys("demo", by_file).verdict is Verdict.OK


def test_live_is_off_without_its_phrase() -> None:
    keys = {"QT_LIVE_API_KEY": KEY, "QT_LIVE_API_SECRET": SECRET}
    assert check_keys("live", keys).verdict is Verdict.REFUSE
    assert check_keys("live", {**keys, "QT_ALLOW_LIVE": "yes"}).verdict is Verdict.REFUSE
    allowed = {**keys, "QT_ALLOW_LIVE": "I_ACCEPT_THE_RISK"}
    assert check_keys("live", allowed).verdict is Verdict.OK


def test_a_full_disk_refuses_and_a_nearly_full_one_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for free, verdict in ((400, Verdict.REFUSE), (1_900, Verdict.WARN), (2_100, Verdict.OK)):
        usage = cast(Any, type("Usage", (), {"free": free * 1_000_000}))
        monkeypatch.setattr("shutil.disk_usage", lambda place, usage=usage: usage)
        assert check_disk(tmp_path / "not" / "made", 500).verdict is verdict


def test_a_journal_that_can_be_used_passes_and_is_free_afterwards(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state' / 'journal.db'}"
    for _ in range(2):
        found = check_journal(url, "demo", tmp_path / "state")
        assert (found.verdict, "0 records" in found.text) == (Verdict.OK, True)


def test_a_journal_in_use_of_another_account_or_broken_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    database = open_database(url, threaded=False)
    with RunLock(database, "demo"):
        found = check_journal(url, "demo", tmp_path)
        assert (found.verdict, "trades with it" in found.text) == (Verdict.REFUSE, True)
    database.close()
    found = check_journal(url, "live", tmp_path)
    assert (found.verdict, "account 'demo'" in found.text) == (Verdict.REFUSE, True)
    (tmp_path / "journal.db").write_bytes(b"no database at all" * 500)
    found = check_journal(url, "demo", tmp_path)
    assert (found.verdict, "restore it" in found.text) == (Verdict.REFUSE, True)


def test_a_journal_on_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    found = check_journal("sqlite:///x.db", "demo", tmp_path / "state")
    assert found.verdict is Verdict.REFUSE


def test_everything_together_is_told_in_one_table_without_secrets(tmp_path: Path) -> None:
    flight = Preflight(
        Settings(), "demo", {"QT_DEMO_API_KEY": KEY}, bundle_of(tmp_path, timeframe="4h"),
        tmp_path, f"sqlite:///{tmp_path / 'journal.db'}",
    )  # fmt: skip
    assert KEY not in repr(flight)
    report = flight.look()
    assert [c.name for c in report.checks] == ["settings", "keys", "bundle", "disk", "journal"]
    assert report.refused
    out = io.StringIO()
    report.show(Console(file=out, width=200))
    assert out.getvalue().count("refuse") == 2
    assert KEY not in out.getvalue()
    with pytest.raises(FixInput, match=r"(?s)QT_DEMO_API_SECRET.*timeframe"):
        report.require()


def test_a_report_gathers_blocks_and_lets_warnings_pass() -> None:
    report = PreflightReport(
        (ok("a", "fine"), warn("b", "[red]look[/]", BTCUSDT="X"), warn("c", "", ETHUSDT="Y"))
    )
    report.require()
    assert (report.refused, report.blocks) == (False, {"BTCUSDT": "X", "ETHUSDT": "Y"})
    assert [c.name for c in report.warnings] == ["b", "c"]
    out = io.StringIO()
    report.show(Console(file=out, width=120))
    assert "[red]look[/]" in out.getvalue()
    assert PreflightReport((refuse("d", "no"),)).refused
