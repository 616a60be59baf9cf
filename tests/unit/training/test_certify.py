"""The program: options, files, exit codes, and what a bundle keeps."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.sizing import kelly
from envs.artifact import json_digest
from training import certificate_store, certify
from training.certificate import FULL, Certificate, exact_games, games_named, summary_of
from training.certificate import certify as play
from training.certificate_report import to_markdown

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def as_full(certificate: Certificate) -> dict[str, object]:
    """A certificate of few games that says it is whole, with a digest to match."""
    content = {k: v for k, v in certificate.to_json().items() if k != "digest"}
    content["form"] = FULL
    return {**content, "digest": json_digest(content)}


def test_a_quick_run_writes_rows_and_digest(
    tmp_path: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "certificate.json"
    assert certify.main(["--quick", "--out", str(out)]) == 0
    content = json.loads(out.read_text())
    digest = content.pop("digest")
    assert digest == json_digest(content)
    assert {"number", "case", "value", "expected", "tolerance", "rule", "passed"} == set(
        content["rows"][0]
    )
    said = capsys.readouterr().out
    assert f"{len(content['rows'])} of {len(content['rows'])} known answers" in said
    assert digest in said
    assert not own_cache.exists()


def test_a_failing_row_is_named_and_ends_with_status_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kelly, "bet_shrinkage", lambda sharpe, n: 0.7)
    assert certify.main(["--games", "kelly"]) == 1
    said = capsys.readouterr().out
    assert "failed row 5, bet shrinkage SR 0.1 T 100: 0.7, expected 0.5" in said
    assert "17 of 20 known answers" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--games", "chess"], "unknown game 'chess': choose among kelly, plan"),
        (["--games", "kelly,"], "unknown game ''"),
        (["--games", "kelly", "--quick"], "choose one of the two"),
        (["--quick", "--write-docs"], "--write-docs needs every game"),
        (["--games", "kelly", "--write-docs"], "--write-docs needs every game"),
        (["--quick", "--out", "rows.txt"], "the name must end in .json"),
    ],
)
def test_bad_options_are_refused_before_anything_is_played(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert certify.main(options) == 2
    caught = capsys.readouterr()
    assert words in caught.err
    assert "Games with known answers" not in caught.out


@pytest.mark.parametrize("options", [["--unknown"], ["kelly"], ["--out"]])
def test_what_the_parser_does_not_know_is_refused(options: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        certify.main(options)
    assert stopped.value.code == 2


def test_a_file_that_cannot_be_written_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("")
    status = certify.main(["--games", "counts", "--out", str(tmp_path / "taken" / "x.json")])
    assert status == 2
    assert "taken" in capsys.readouterr().err


def test_the_program_starts_as_a_user_starts_it(program: Program, tmp_path: Path) -> None:
    told = program("certify.py", "--help", cwd=tmp_path)
    assert told.returncode == 0
    for option in ("--out", "--quick", "--games", "--write-docs"):
        assert option in told.stdout
    done = program("certify.py", "--games", "counts", "--out", "c.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "c.json").read_text())["rows"][0]["passed"] is True


def test_the_page_has_every_row() -> None:
    made = play(games_named(["kelly", "score"]))
    page = to_markdown(made)
    assert page.count("\n| ") == len(made.rows) + 1
    assert made.to_json()["digest"] in page
    assert "row 48" in page


def test_a_training_run_without_a_kept_certificate_plays_the_exact_games(own_cache: Path) -> None:
    got = certificate_store.bundle_certificate(own_cache)
    content = play(exact_games()).to_json()
    assert got == {**summary_of(content), "code": certificate_store.code_digest()}
    assert (got["form"], got["passed"]) == ("quick", True)


def test_a_kept_certificate_is_taken_as_it_is(own_cache: Path) -> None:
    content = as_full(play(games_named(["kelly"])))
    certificate_store.keep(content, own_cache)
    got = certificate_store.bundle_certificate(own_cache)
    assert (got["form"], got["digest"]) == ("full", content["digest"])


@pytest.mark.parametrize("damage", ["{", "[]", "null"])
def test_a_damaged_certificate_is_not_taken(own_cache: Path, damage: str) -> None:
    certificate_store.keep(as_full(play(games_named(["kelly"]))), own_cache)
    certificate_store.cached_file(own_cache).write_text(damage)
    assert certificate_store.kept(own_cache) is None


def test_a_changed_verdict_is_noticed(own_cache: Path) -> None:
    content = as_full(play(games_named(["kelly"])))
    certificate_store.keep(content, own_cache)
    file = certificate_store.cached_file(own_cache)
    file.write_text(file.read_text().replace("0.0201355", "0.0201356"))
    assert certificate_store.kept(own_cache) is None


def test_a_part_is_never_taken_for_the_whole(own_cache: Path) -> None:
    certificate_store.keep(play(games_named(["kelly"])).to_json(), own_cache)
    assert certificate_store.kept(own_cache) is None


def test_the_digest_of_the_code_follows_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = certificate_store.code_digest()
    monkeypatch.setattr(certificate_store, "_MODULES", ("certificate.py",))
    certificate_store.code_digest.cache_clear()
    try:
        assert certificate_store.code_digest() != before
    finally:
        certificate_store.code_digest.cache_clear()


def test_the_bundle_of_a_run_keeps_the_certificate(finished: Path) -> None:
    kept = json.loads((finished / "bundle" / "certificate.json").read_text())
    manifest = json.loads((finished / "bundle" / "manifest.json").read_text())
    assert kept["passed"] is True
    assert kept["failed"] == []
    assert len(kept["known_answers"]) > 40
    assert manifest["certificate"] == {
        name: kept[name] for name in ("digest", "form", "passed", "code")
    }
