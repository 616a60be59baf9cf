"""Places in a runtime at which it can be killed; only a test's runner has them."""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Callable
from typing import Any

CrashPoint = Callable[[str], None]


class Tripwire:
    """Counts the points a run passes and kills the process, as kill -9 does, at one of them.

    Attributes:
        passed: how many points were passed.
        names: each of them, in order.
    """

    def __init__(self, deadly: int = 0) -> None:
        self.deadly, self.passed = deadly, 0
        self.names: list[str] = []

    def __call__(self, name: str) -> None:
        """Pass a point; number ``deadly`` is the last one."""
        self.passed += 1
        self.names.append(name)
        if self.passed == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """A part whose methods named in ``methods`` have a point before and one after them."""

    def __init__(self, part: Any, name: str, methods: frozenset[str], point: CrashPoint) -> None:
        self._part, self._name, self._methods, self._point = part, name, methods, point

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._part, attribute)
        if attribute not in self._methods:
            return found
        point, told = self._point, f"{self._name}.{attribute}"

        async def watched(*args: Any, **named: Any) -> Any:
            point(f"before {told}")
            result = await found(*args, **named)
            point(f"after {told}")
            return result

        def at_once(*args: Any, **named: Any) -> Any:
            point(f"before {told}")
            result = found(*args, **named)
            point(f"after {told}")
            return result

        return watched if inspect.iscoroutinefunction(found) else at_once


JOURNAL = frozenset({"commit"})
STORE = frozenset({"save_intent", "settle_intent", "add_fill", "save_order"})
VENUE = frozenset({"place", "place_trigger", "replace_trigger", "cancel", "cancel_trigger"})
LEARNING = frozenset({"learn", "learn_labels"})


def watch_client(client: Any, point: CrashPoint) -> None:
    """Points around every request of a ccxt client that may change something at the venue."""
    fetch = client.fetch

    async def watched(url: str, method: str = "GET", *rest: Any, **named: Any) -> Any:
        if method == "GET" or "listenKey" in url:
            return await fetch(url, method, *rest, **named)
        what = f"{method} {url.split('?')[0].rsplit('/', 1)[-1]}"
        point(f"before {what}")
        answer = await fetch(url, method, *rest, **named)
        point(f"after {what}")
        return answer

    client.fetch = watched
