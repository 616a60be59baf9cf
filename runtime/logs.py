"""Logs of the runtime: JSON lines in a file that turns over, text for people, no secrets in either.

What belongs to a decision or an order says so: ``with about(decision_id=..., symbol=...)`` names it
in every line below, in this task and those it starts.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import logging.handlers
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envs.core.errors import FixInput
from runtime.masking import Masker

if TYPE_CHECKING:
    from rich.console import Console

OURS = ("runtime", "agents", "ensemble", "envs")
ALARMS = "runtime.alarms"
"""Logger of what the terminal shows by itself: its lines go into the file alone."""
FIELDS = ("decision_id", "symbol", "client_id")
"""What a line may be about."""
MOST_BYTES = 10_000_000
FILES = 5
_ABOUT: contextvars.ContextVar[Mapping[str, str]] = contextvars.ContextVar("about")


@contextlib.contextmanager
def about(**fields: str) -> Iterator[None]:
    """Name what the lines within are about; ``fields`` are of ``FIELDS``.

    Raises:
        ValueError: Another field.
    """
    strange = sorted(set(fields) - set(FIELDS))
    if strange:
        raise ValueError(f"log: unknown field {strange[0]}; there are {', '.join(FIELDS)}")
    token = _ABOUT.set({**_ABOUT.get({}), **fields})
    try:
        yield
    finally:
        _ABOUT.reset(token)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Log nothing below WARNING: of what is done for practice, where it would be taken for real."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


class JsonLines(logging.Formatter):
    """One JSON object a line: at, level, logger, text, what it is about, and the error."""

    def __init__(self, masker: Masker) -> None:
        super().__init__()
        self._masker = masker

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "text": self._masker.mask(_message(record)),
        }
        line |= {name: self._masker.mask(text) for name, text in _fields(record).items()}
        if record.exc_info:
            line["error"] = self._masker.mask(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class Plain(logging.Formatter):
    """Text for the terminal: time, level, what, and what it is about."""

    def __init__(self, masker: Masker) -> None:
        super().__init__()
        self._masker = masker

    def format(self, record: logging.LogRecord) -> str:
        """The line; errors as their last line, their trace is in the file."""
        when = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        text = " ".join(_message(record).split())
        named = " ".join(f"{n}={x}" for n, x in _fields(record).items() if x not in text)
        if record.exc_info and record.exc_info[0] is not None:
            text += f": {record.exc_info[0].__name__}: {record.exc_info[1]}"
        line = f"{when} {record.levelname.lower():7} {text}{f' [{named}]' if named else ''}"
        return self._masker.mask(line)


class Log:
    """Where a run logs to; ``with start_logging(...)`` ends it.

    Attributes:
        path: the file.
        lost: lines that could not be written, a full disk for instance.
    """

    def __init__(self, path: Path, masker: Masker, handlers: Iterable[logging.Handler]) -> None:
        self.path, self.masker, self.lost = path, masker, 0
        self._handlers = tuple(handlers)
        self._before: list[tuple[logging.Logger, int]] = []

    def begin(self, level: str) -> None:
        """Log from ``level`` on; libraries from WARNING on, as their DEBUG tells requests."""
        root = logging.getLogger()
        for name in ("", *OURS):
            logger = logging.getLogger(name)
            self._before.append((logger, logger.level))
            logger.setLevel(level if name else logging.WARNING)
        for handler in self._handlers:
            root.addHandler(handler)

    def close(self) -> None:
        """Write what is left, and let logging be as it was."""
        root = logging.getLogger()
        for handler in self._handlers:
            root.removeHandler(handler)
            handler.close()
        for logger, level in self._before:
            logger.setLevel(level)
        self._before = []

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start_logging(
    path: Path, *, level: str = "INFO", secrets: Iterable[str] = (),
    console: Console | None = None, terminal: bool = True,
) -> Log:  # fmt: skip
    """Log into ``path``, and to ``console`` (or the standard error output) while ``terminal``.

    The file is its owner's alone, turns over at 10 MB, and keeps five older ones. ``secrets`` never
    appear, nor does what looks like one (``Masker``).

    Raises:
        FixInput: The file cannot be written.
    """
    masker = Masker(secrets)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _File(path, maxBytes=MOST_BYTES, backupCount=FILES, encoding="utf-8")
    except OSError as error:
        raise FixInput(
            f"log {path}: cannot be written: {error.strerror}; mend QT_LOG_PATH or the folder"
        ) from error
    file.setFormatter(JsonLines(masker))
    handlers: list[logging.Handler] = [file]
    if terminal:
        handlers.append(_Terminal(console) if console else logging.StreamHandler(sys.stderr))
        handlers[-1].setFormatter(Plain(masker))
        handlers[-1].addFilter(lambda record: record.name != ALARMS)
    log = Log(path, masker, handlers)
    file.log = log
    log.begin(level)
    return log


def log_path(given: Path, state: Path) -> Path:
    """QT_LOG_PATH: a relative path lies in the state folder."""
    return given if given.is_absolute() else state / given


class _File(logging.handlers.RotatingFileHandler):
    """Only its owner may read it; a line that cannot be written is counted and ends nothing."""

    log: Log | None = None

    def _open(self) -> Any:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "a", encoding=self.encoding)

    def close(self) -> None:
        # What is left in the buffer of a full disk stays there.
        with contextlib.suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        if self.log is None:
            return
        self.log.lost += 1
        if self.log.lost == 1:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"log {self.log.path}: a line could not be written\n")


class _Terminal(logging.Handler):
    """Prints above a live view of the same console."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._console.print(self.format(record), markup=False, highlight=False, soft_wrap=True)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:
        # A wrong format must not end what was to be logged.
        return f"{record.msg!r} with {len(record.args or ())} values ({type(error).__name__})"


def _fields(record: logging.LogRecord) -> dict[str, str]:
    given = _ABOUT.get({})
    found = {name: getattr(record, name, given.get(name, "")) for name in FIELDS}
    return {name: str(value) for name, value in found.items() if value}
