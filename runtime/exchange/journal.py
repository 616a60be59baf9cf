"""The venue's memory: an append-only file of checksummed JSON lines, synced in groups.

A line is ``CRC JSON``; the checksum goes on from the line before it, so that a line can neither be
changed nor dropped nor moved unseen. The loop's thread hands lines to the system as they come and a
worker syncs what has gathered meanwhile: many writers share one sync.
"""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from envs.core.errors import DamagedArtifact, FixInput

SCHEMA = 1
_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
_SYNC = getattr(os, "fdatasync", os.fsync)


class Journal:
    """One open journal; use it from one event loop.

    ``lines`` counts what was written, ``durable`` what is known to be on disk; ``on_durable`` is
    called when more of it is, before those who wait go on.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        """Open or create a journal and lock it.

        Raises:
            FixInput: Another process has it open, or the place cannot be written.
            DamagedArtifact: A line that was complete is not what was written.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, _OPEN, 0o600)
        except OSError as error:
            raise FixInput(f"--state {path}: cannot be opened ({error.strerror})") from error
        try:
            _lock(self._fd, path)
            self.entries, keep, self._crc = _read(path)
            if keep < path.stat().st_size:
                os.ftruncate(self._fd, keep)
            self.lines = self.durable = len(self.entries)
            self.resumed = bool(self.entries)
            if not self.resumed:
                self.append({"schema": SCHEMA, **header})
                self.entries = [{"schema": SCHEMA, **header}]
                _sync_folder(path.parent)
            os.fsync(self._fd)
        except BaseException:
            os.close(self._fd)
            raise
        self.durable = self.lines
        self._worker = ThreadPoolExecutor(1, "journal-sync")
        self._syncing: asyncio.Task[None] | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self.failure: OSError | None = None
        self.on_durable: Callable[[], None] = _nothing

    @property
    def header(self) -> dict[str, Any]:
        """The first line."""
        found: dict[str, Any] = self.entries[0]
        return found

    def append(self, entry: dict[str, Any]) -> int:
        """Hand a line to the system and return its number, counted from 1.

        From here it outlives the process; ``sync`` makes it outlive the machine.

        Raises:
            OSError: It could not be written whole; the journal is then closed to writing.
        """
        body = json.dumps(entry, separators=(",", ":"), allow_nan=False).encode()
        crc = zlib.crc32(body, self._crc)
        line = b"%08x %s\n" % (crc, body)
        written = os.write(self._fd, line)
        if written != len(line):
            raise OSError(f"{self.path}: {written} of {len(line)} bytes written: disk full?")
        self._crc = crc
        self.lines += 1
        return self.lines

    async def sync(self, line: int) -> None:
        """Return when line ``line`` is on disk.

        Raises:
            OSError: It could not be brought there; nothing after it may be acknowledged.
        """
        if line <= self.durable:
            return
        if self.failure is not None:
            raise self.failure
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((line, future))
        if self._syncing is None:
            self._syncing = asyncio.create_task(self._sync_all())
        await future

    async def close(self) -> None:
        """Bring everything to disk and let go of the file."""
        if self._fd < 0:
            return
        try:
            await self.sync(self.lines)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of the file at once, without waiting for the disk."""
        if self._fd >= 0:
            self._worker.shutdown()
            os.close(self._fd)
            self._fd = -1

    async def _sync_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                upto = self.lines
                await loop.run_in_executor(self._worker, _SYNC, self._fd)
                self.durable = upto
                self.on_durable()
                done = [f for n, f in self._waiting if n <= upto]
                self._waiting = [w for w in self._waiting if w[0] > upto]
                for future in done:
                    if not future.done():
                        future.set_result(None)
        except OSError as error:
            self.failure = error
            waiting, self._waiting = self._waiting, []
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
        finally:
            self._syncing = None


def _nothing() -> None:
    """What follows a sync until somebody asks for more."""


def _read(path: Path) -> tuple[list[dict[str, Any]], int, int]:
    """Entries, length of the good part in bytes and the last checksum.

    A last line without its end was never acknowledged and is left out.
    """
    raw = path.read_bytes()
    end = raw.rfind(b"\n") + 1
    entries: list[dict[str, Any]] = []
    crc = 0
    for number, line in enumerate(raw[:end].split(b"\n")[:-1], 1):
        body = line[9:]
        crc = zlib.crc32(body, crc)
        if line[:9] != b"%08x " % crc:
            raise DamagedArtifact(
                f"--state {path}: line {number} is not what was written (checksum); restore a copy "
                "from before the damage, or give another file to begin anew"
            )
        entry = json.loads(body)
        if number == 1 and entry.get("schema") != SCHEMA:
            raise DamagedArtifact(
                f"--state {path}: schema {entry.get('schema')!r}, this version reads {SCHEMA}"
            )
        entries.append(entry)
    return entries, end, crc


def _lock(fd: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise FixInput(f"--state {path}: another exchange has it open; stop that one") from error


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
