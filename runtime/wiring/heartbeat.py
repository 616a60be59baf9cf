"""Says that a trader's loop is alive: a small file for ``runtime health``, and systemd's socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

HEARTBEAT = "heartbeat.json"
EVERY_S = 5.0


class Heartbeat:
    """Beats on the loop it watches, so that a loop that stands still beats no more.

    Args:
        folder: the state folder.
        told: what else to say, JSON values.
    """

    def __init__(self, folder: Path, told: Callable[[], Mapping[str, Any]]) -> None:
        self._path, self._told = folder / HEARTBEAT, told
        self._notify = Notifier()

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Beat for the time of a run; at its end the file says that it ended in order."""
        self._beat("running")
        self._notify.say("READY=1")
        task = asyncio.create_task(self._beats())
        try:
            yield
        finally:
            task.cancel()
            self._notify.say("STOPPING=1")
            self._beat("ended")

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            self._beat("running")
            self._notify.say("WATCHDOG=1")

    def _beat(self, state: str) -> None:
        body = {"state": state, "pid": os.getpid(), "wall_s": time.time(), **self._told()}
        # Whole or not at all, but not forced to disk: the loop does not wait for that. A disk that
        # is full stops entries elsewhere; it must not end the loop here.
        with contextlib.suppress(OSError):
            fresh = self._path.with_suffix(".new")
            fresh.write_text(json.dumps(body) + "\n", encoding="utf-8")
            fresh.replace(self._path)


class Notifier:
    """Tells systemd (``sd_notify``): silent where nobody asked for it."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the null byte of an abstract socket.
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def say(self, text: str) -> None:
        """Send one message; a service manager that is gone is no reason to fail."""
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as s,
        ):
            s.sendto(text.encode(), self._address)
