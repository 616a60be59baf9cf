from __future__ import annotations

import errno
import signal
from contextlib import suppress

import pytest
from rich.console import Console

from envs.core.errors import FixData
from training.cli import EXIT_INTERRUPTED, run_program


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (FixData("no bars"), 2, "error: no bars\n"),
        (KeyboardInterrupt(), EXIT_INTERRUPTED, "--resume"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "device; make room, then repeat"),
        (PermissionError(errno.EACCES, "Permission denied", "x.json"), 2, "denied: x.json\n"),
    ],
)
def test_what_stops_a_program_becomes_an_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(_: Console) -> None:
        raise error

    assert run_program(work) == code
    assert said in capsys.readouterr().err


def test_an_error_in_the_program_is_not_hidden() -> None:
    def work(_: Console) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_program(work)


def test_a_swallowed_ctrl_c_stops_at_the_next_line(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    reached: list[str] = []

    def work(console: Console) -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        reached.append("after a library kept it to itself")
        console.print("never said")
        reached.append("too far")

    assert run_program(work) == EXIT_INTERRUPTED
    assert len(reached) == 1
    assert "never said" not in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before
