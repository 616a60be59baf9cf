"""Writing files so that a kill or a full disk leaves the old content or the new, never half."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from envs.core.errors import FixInput

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

_guard = threading.RLock()
_held: dict[tuple[int, str], tuple[int, int]] = {}
"""Per (pid, path): how often it is held in this process, and the descriptor of the lock file."""


def atomic_write_bytes(path: Path | str, data: bytes) -> None:
    """Replace a file's content in one step that survives a kill and a power cut.

    Raises:
        FixInput: The disk is full or the folder cannot be written; the old file stands.
    """
    path = Path(path)
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        replace_durably(Path(temporary), path)
    except OSError as error:
        raise FixInput(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def atomic_write_text(path: Path | str, text: str) -> None:
    """Replace a file's content by UTF-8 text; see ``atomic_write_bytes``."""
    atomic_write_bytes(path, text.encode())


def replace_durably(source: Path, target: Path) -> None:
    """Rename over ``target`` and sync the folder, so the rename itself is on disk."""
    source.replace(target)
    if os.name != "posix":
        return
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def writer_lock(path: Path | str) -> Iterator[None]:
    """Hold the right to write ``path``; re-entrant in one process, released by its death.

    ``path.lock`` names the owner's pid and start time while it is held.

    Raises:
        FixInput: Another process holds it; the message names that process.
    """
    path = Path(path).absolute()
    lock, key = path.with_name(path.name + ".lock"), (os.getpid(), str(path))
    with _guard:
        count, descriptor = _held.get(key) or (0, _acquire(lock, path))
        _held[key] = count + 1, descriptor
    try:
        yield
    finally:
        with _guard:
            count, descriptor = _held.pop(key)
            if count > 1:
                _held[key] = count - 1, descriptor
            else:
                lock.unlink(missing_ok=True)
                os.close(descriptor)


def process_start(pid: int) -> int:
    """Start time of a process in clock ticks since boot; 0 where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    # The second field is the program's name and may hold spaces and brackets.
    return int(text.rpartition(")")[2].split()[19])


def _acquire(lock: Path, path: Path) -> int:
    while True:
        descriptor = _open_and_lock(lock, path)
        with contextlib.suppress(FileNotFoundError):
            # The former owner may have removed the file between our opening and locking it.
            if os.fstat(descriptor).st_ino == lock.stat().st_ino:
                break
        os.close(descriptor)
    owner = {"pid": os.getpid(), "start": process_start(os.getpid())}
    os.ftruncate(descriptor, 0)
    os.write(descriptor, json.dumps(owner).encode())
    return descriptor


def _open_and_lock(lock: Path, path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | (0 if fcntl else os.O_EXCL)
    try:
        descriptor = os.open(lock, flags, 0o644)
    except FileExistsError as error:
        raise _busy(lock, path) from error
    except OSError as error:
        raise FixInput(f"{lock}: cannot be written: {error.strerror}") from error
    if fcntl:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise _busy(lock, path) from error
    return descriptor


def _busy(lock: Path, path: Path) -> FixInput:
    try:
        owner = json.loads(lock.read_bytes())
        who = f"process {owner['pid']} (start time {owner['start']})"
    except (OSError, ValueError, KeyError):
        who = "another process"
    return FixInput(f"{path}: {who} is writing it: wait for it, or stop it; lock file {lock.name}")
