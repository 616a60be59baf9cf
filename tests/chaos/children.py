"""Child processes that are killed: forked from a server that has loaded everything already."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import Any

PRELOADED = "tests.chaos.warm"


def context() -> Any:
    """A fork server that imports what a runtime needs once; children start in milliseconds."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload([PRELOADED])
    return made


class Child:
    """One life of a runtime."""

    def __init__(self, target: Callable[..., None], *arguments: Any) -> None:
        self._process: BaseProcess = context().Process(target=target, args=arguments, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._process.start()

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.is_alive()

    @property
    def was_killed(self) -> bool:
        """Whether kill -9 ended it."""
        return self._process.exitcode == -signal.SIGKILL

    @property
    def exit_code(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.exitcode

    def kill(self) -> None:
        """Send kill -9."""
        pid = self._process.pid
        if pid is not None and self._process.is_alive():
            os.kill(pid, signal.SIGKILL)

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        pid = self._process.pid
        if pid is not None and self._process.is_alive():
            os.kill(pid, signal.SIGTERM)

    async def ended(self, timeout_s: float) -> bool:
        """Wait for its end; False when it takes too long."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        sentinel = self._process.sentinel
        loop.add_reader(sentinel, done.set)
        try:
            async with asyncio.timeout(timeout_s):
                await done.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(sentinel)
        self._process.join(5.0)
        return True


class ColdChild:
    """One life of a runtime in a process that begins from nothing."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def was_killed(self) -> bool:
        """Whether kill -9 ended it."""
        return self._process.poll() == -signal.SIGKILL

    @property
    def exit_code(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """Send kill -9."""
        self._process.kill()

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    async def ended(self, timeout_s: float) -> bool:
        """Wait for its end; False when it takes too long."""
        try:
            await asyncio.to_thread(self._process.wait, timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True
