"""Command-line plumbing of the training programs: exit codes and the cache of computed votes."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

from rich.console import Console

from envs.core.errors import FixInput
from runtime.settings_cli import EXIT_FIX_INPUT

EXIT_INTERRUPTED = 130
RESUME = "repeat the command with --resume to continue"


def cache_folder() -> Path:
    """Where computed votes are kept between runs."""
    base = os.environ.get("QT_CACHE_DIR")
    return Path(base) if base else Path.home() / ".cache" / "quantum-trader"


class ProgramConsole(Console):
    """A console that honours a Ctrl-C at the next line, should a library have swallowed it."""

    pressed = False

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, or stop."""
        if self.pressed:
            raise KeyboardInterrupt
        super().print(*objects, **options)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note Ctrl-C besides raising it; only the main thread is sent signals."""
        if current_thread() is not main_thread():
            yield
            return

        def note(number: int, frame: FrameType | None) -> None:
            self.pressed = True
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def run_program(work: Callable[[Console], None], again: str = RESUME) -> int:
    """Run a program's body; what the operator must fix becomes exit code 2, Ctrl-C 130.

    ``again`` says how to go on after Ctrl-C.
    """
    console = ProgramConsole()
    try:
        with console.listening():
            work(console)
    except FixInput as error:
        sys.stderr.write(f"error: {error}{_room(error.__cause__, again)}\n")
        return EXIT_FIX_INPUT
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        sys.stderr.write(f"error: {error.strerror or error}{where}{_room(error, again)}\n")
        return EXIT_FIX_INPUT
    except KeyboardInterrupt:
        sys.stderr.write(f"interrupted: {again}\n")
        return EXIT_INTERRUPTED
    return 0


def _room(error: BaseException | None, again: str) -> str:
    """What to do about a full disk; nothing for other errors."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    resume = ", with --resume if it left a run folder" if again == RESUME else ""
    return f"; make room, then repeat the command{resume}" if full else ""
