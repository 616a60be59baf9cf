from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from runtime.cli import main
from runtime.wiring import heartbeat
from runtime.wiring.heartbeat import HEARTBEAT, Heartbeat


def health(folder: Path, *options: str) -> int:
    return main(["health", "--state", str(folder), *options])


def test_a_beating_heart_is_alive_and_one_that_ended_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.01)

    async def scene() -> None:
        bars = 0
        with Heartbeat(tmp_path, lambda: {"bars": bars, "gate": "armed"}).beating():
            bars = 3
            await asyncio.sleep(0.1)
            assert health(tmp_path) == 0

    asyncio.run(scene())
    assert "bars 3, gate armed" in capsys.readouterr().out
    assert health(tmp_path) == 1
    assert "ended" in capsys.readouterr().out


def test_an_old_beat_is_death(tmp_path: Path) -> None:
    beat = {"state": "running", "pid": 1, "wall_s": 1_000.0}
    (tmp_path / HEARTBEAT).write_text(json.dumps(beat))
    assert health(tmp_path) == 1
    assert health(tmp_path, "--older-than", "1e12") == 0


@pytest.mark.parametrize("text", [None, "{", "[]", '{"state": "running"}'])
def test_what_is_no_heartbeat_is_wrong_input(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / HEARTBEAT).write_text(text)
    assert health(tmp_path) == 2


def test_the_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        server.settimeout(5.0)

        async def scene() -> None:
            with Heartbeat(tmp_path, dict).beating():
                await asyncio.sleep(0)

        asyncio.run(scene())
        assert server.recv(100) == b"READY=1"
        assert server.recv(100) == b"STOPPING=1"


def test_a_service_manager_that_is_gone_and_a_full_disk_end_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))

    async def scene() -> None:
        with Heartbeat(tmp_path / "missing", dict).beating():
            await asyncio.sleep(0)

    asyncio.run(scene())
    assert not (tmp_path / "missing").exists()
