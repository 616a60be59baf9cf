from __future__ import annotations

from pathlib import Path

import pytest

from envs.core.errors import FixInput, FixSettings
from runtime.adapters.ccxt_factory import LOCAL_KEYS
from runtime.wiring.keys import keys_for, secret_of

NAME = "QT_DEMO_API_KEY"


def secret_file(folder: Path, text: str = "abc\n", mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_keys_come_from_the_environment_or_from_files(tmp_path: Path) -> None:
    path = secret_file(tmp_path, "from-file\n")
    found = keys_for("demo", {NAME: " k ", "QT_DEMO_API_SECRET_FILE": str(path)})
    assert (found.key, found.secret) == ("k", "from-file")
    assert "from-file" not in repr(found)
    assert keys_for("local", {}) is LOCAL_KEYS


def test_what_is_missing_is_named() -> None:
    with pytest.raises(FixSettings, match="QT_LIVE_API_KEY_FILE"):
        keys_for("live", {NAME: "k", "QT_DEMO_API_SECRET": "s"})
    assert secret_of("QT_DATABASE_URL", {}) == ""


def test_two_sources_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match="keep one"):
        secret_of(NAME, {NAME: "k", f"{NAME}_FILE": str(secret_file(tmp_path))})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, "abc", mode)
    with pytest.raises(FixInput, match="chmod 600") as caught:
        secret_of(NAME, {f"{NAME}_FILE": str(path)})
    assert "abc" not in str(caught.value)


def test_a_credential_of_the_service_manager_is_taken_whatever_its_mode(tmp_path: Path) -> None:
    path = secret_file(tmp_path, "abc", 0o440)
    environ = {f"{NAME}_FILE": str(path), "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert secret_of(NAME, environ) == "abc"
    with pytest.raises(FixInput, match="lets others read"):
        secret_of(NAME, {**environ, "CREDENTIALS_DIRECTORY": str(tmp_path.parent)})


@pytest.mark.parametrize("text", ["", "\n", "two words", "a\nb\n", "x" * 5_000, "schlüssel"])
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(FixInput, match="one line"):
        secret_of(NAME, {f"{NAME}_FILE": str(secret_file(tmp_path, text))})


def test_a_file_that_is_missing_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FixInput, match="cannot be read"):
        secret_of(NAME, {f"{NAME}_FILE": str(tmp_path / "none")})
    with pytest.raises(FixInput, match="cannot be read"):
        secret_of(NAME, {f"{NAME}_FILE": str(tmp_path)})
