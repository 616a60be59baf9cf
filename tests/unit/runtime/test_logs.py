"""The log: lines for machines and people, and no secret in either."""

from __future__ import annotations

import io
import json
import logging
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from envs.core.errors import FixInput
from runtime.display.alarm_log import log_alarm
from runtime.kernel_ports import Record
from runtime.logs import JsonLines, about, log_path, quiet, start_logging
from runtime.masking import MASK, Masker, password_in, secrets_in

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
LISTEN = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"
LOG = logging.getLogger("runtime.test")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_line_says_when_what_and_about_what(tmp_path: Path, console: Console) -> None:
    path = tmp_path / "logs" / "q.log"
    with start_logging(path, console=console):
        with about(symbol="BTCUSDT"), about(decision_id="sim:BTCUSDT:1"):
            LOG.warning("entry of %s: %s", "BTCUSDT", "late")
        LOG.info("cycle", extra={"client_id": "qt-1"})
        LOG.debug("not this")
    first, second = lines(path)
    assert first["at"].endswith("+00:00")
    assert {k: first[k] for k in ("level", "logger", "text", "symbol", "decision_id")} == {
        "level": "WARNING", "logger": "runtime.test", "text": "entry of BTCUSDT: late",
        "symbol": "BTCUSDT", "decision_id": "sim:BTCUSDT:1",
    }  # fmt: skip
    assert (second["client_id"], "symbol" in second) == ("qt-1", False)
    said = shown(console).splitlines()
    assert said[0].endswith("warning entry of BTCUSDT: late [decision_id=sim:BTCUSDT:1]")
    assert said[1].endswith("info    cycle [client_id=qt-1]")


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown field price"), about(price="1"):
        pass


def test_errors_are_told_whole_in_the_file_and_shortly_to_people(
    tmp_path: Path, console: Console
) -> None:
    with start_logging(tmp_path / "q.log", secrets=["hunter22"], console=console):
        try:
            raise ValueError(f"no\nanswer to apiKey={KEY} hunter22")
        except ValueError:
            LOG.exception("cycle")
    (line,) = lines(tmp_path / "q.log")
    assert "Traceback" in line["error"]
    assert "ValueError: no" in line["error"]
    assert len(shown(console).splitlines()) == 2
    for text in (line["error"], shown(console)):
        assert KEY not in text
        assert "hunter22" not in text


def test_a_wrong_format_ends_nothing() -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%d of %d", (1,), None)
    assert "%d of %d" in json.loads(JsonLines(Masker()).format(record))["text"]


def test_libraries_do_not_tell_their_requests_and_logging_is_left_as_it_was(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("runtime").level)
    with start_logging(tmp_path / "q.log", level="DEBUG", terminal=False):
        logging.getLogger("ccxt.base").debug("headers")
        logging.getLogger("ccxt.base").warning("slow")
        LOG.debug("ours")
    assert [x["text"] for x in lines(tmp_path / "q.log")] == ["slow", "ours"]
    assert before == (root.level, list(root.handlers), logging.getLogger("runtime").level)


def test_the_file_is_its_owners_alone_and_turns_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.logs.MOST_BYTES", 2_000)
    with start_logging(tmp_path / "q.log", terminal=False):
        for i in range(200):
            LOG.info("line %d", i)
    files = sorted(tmp_path.iterdir())
    assert [f.name for f in files] == ["q.log", *(f"q.log.{i}" for i in range(1, 6))]
    assert all(stat.S_IMODE(f.stat().st_mode) == 0o600 for f in files)
    assert lines(tmp_path / "q.log")[-1]["text"] == "line 199"


def test_a_file_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(FixInput, match="QT_LOG_PATH"):
        start_logging(tmp_path / "logs" / "q.log")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_once_and_ends_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "q.log").symlink_to("/dev/full")
    with start_logging(tmp_path / "q.log", terminal=False) as log:
        for _ in range(3):
            LOG.warning("x" * 100)
        assert log.lost == 3
        sys.stderr.flush()
    assert capsys.readouterr().err.count("could not be written") == 1


def test_relative_paths_lie_in_the_state_folder(tmp_path: Path) -> None:
    assert log_path(Path("logs/a.log"), tmp_path) == tmp_path / "logs" / "a.log"
    assert log_path(Path("/var/log/a.log"), tmp_path) == Path("/var/log/a.log")


@pytest.mark.parametrize(
    "text",
    [
        f"GET /fapi/v1/order?symbol=BTCUSDT&timestamp=1&signature={'ab' * 32}",
        f"{{'X-MBX-APIKEY': '{KEY}', 'b': 1}}",
        f'{{"listenKey":"{LISTEN}"}}',
        f"wss://fstream.binance.com/ws/{LISTEN}?x=1",
        f"the key {KEY} is wrong",
        "postgresql+psycopg://ada:s3cr%40t@db.example/quantum",
        "QT_API_TOKEN=abc123def",
        f"'apiKey': '{KEY}', 'secret': 'short'",
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    masked = Masker().mask(text)
    assert MASK in masked
    for secret in (KEY, LISTEN, "ab" * 32, "s3cr%40t", "abc123def", "'short'"):
        assert secret not in masked


@pytest.mark.parametrize(
    "text",
    [f"bundle digest {'0a1b' * 16}", "demo:BTCUSDT:1700000000000000000", "sqlite:///a/b/journal.db",
     "the cool-down of level 2 ends at 12:00", "http://127.0.0.1:18080/fapi/v1/ping"],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert Masker(["hunter22"]).mask(text) == text


WORDS = st.text(st.characters(codec="ascii", exclude_categories=["C", "Z"]), min_size=6)


@given(WORDS, st.text(max_size=20), st.text(max_size=20))
def test_a_known_secret_never_comes_through(secret: str, before: str, after: str) -> None:
    masked = Masker([secret]).mask(f"{before} {secret} {after}")
    assert secret not in masked.replace(MASK, "\0")


def test_secrets_of_an_environment_are_found(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from-a-file\n")
    url = tmp_path / "url"
    url.write_text("postgresql://u:pass%2Fword@h/d")
    environ = {
        "QT_DEMO_API_KEY": "a-demo-key", "QT_DEMO_API_SECRET_FILE": str(file),
        "QT_LIVE_API_KEY_FILE": str(tmp_path / "none"), "QT_DATABASE_URL_FILE": str(url),
        "QT_SEED": "1", "QT_ALLOW_LIVE": "I_ACCEPT_THE_RISK",
    }  # fmt: skip
    assert sorted(secrets_in(environ)) == ["a-demo-key", "from-a-file", "pass/word"]


@pytest.mark.parametrize(
    ("url", "password"),
    [("postgresql://u:hunter2@h/d", "hunter2"), ("postgresql://u:pa/ss?w@h/d", "pa/ss?w"),
     ("postgresql://u:a%2Fb@h/d", "a/b"), ("postgresql://h/d?x=1&password=hunter2", "hunter2"),
     ("postgresql://h:5432/d", ""), ("sqlite:///x.db", ""), ("", "")],
)  # fmt: skip
def test_the_password_of_a_url_is_found(url: str, password: str) -> None:
    assert password_in(url) == password


def test_what_asks_for_attention_is_in_the_file_whatever_is_shown(
    tmp_path: Path, console: Console
) -> None:
    path = tmp_path / "q.log"
    with start_logging(path, console=console):
        log_alarm(Record("alarm", 1, "BTCUSDT", {"text": "stop 7 is gone"}))
        log_alarm(Record("foreign", 1, "ETHUSDT", {"text": "not ours"}))
        log_alarm(Record("bar", 1, "1", {"bars": ()}))
    assert [(x["level"], x["text"]) for x in lines(path)] == [
        ("WARNING", "ATTENTION BTCUSDT: stop 7 is gone"),
        ("WARNING", "ATTENTION ETHUSDT: not ours"),
    ]
    # The terminal has its own lines for them.
    assert shown(console) == ""


def test_what_is_done_for_practice_is_not_told(tmp_path: Path, console: Console) -> None:
    path = tmp_path / "q.log"
    with start_logging(path, console=console):
        with quiet():
            LOG.info("user stream up")
            LOG.warning("odd")
        LOG.info("begin")
    assert [x["text"] for x in lines(path)] == ["odd", "begin"]
