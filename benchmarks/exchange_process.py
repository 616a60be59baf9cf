"""A local exchange in a process of its own, and the barest client of it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data import ROOT

_KEY = "local"


@dataclass(frozen=True)
class Running:
    """Where a started exchange answers, and its process id."""

    url: str
    control: str
    pid: int

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the control API."""
        data = None if body is None else json.dumps(body).encode()
        url, kind = self.control + path, {"Content-Type": "application/json"}
        request = urllib.request.Request(url, data, kind)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            return json.load(answer)

    def rss_mib(self) -> float:
        """Resident memory of the exchange."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError(f"process {self.pid} tells no resident memory")


@contextmanager
def exchange(*options: str, journal: bool = False) -> Iterator[Running]:
    """Start ``python -m runtime exchange`` on free ports; it ends with the block."""
    port, control = free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        kept = ("--state", str(Path(folder) / "journal")) if journal else ()
        process = subprocess.Popen(
            [
                sys.executable, "-m", "runtime", "exchange", "--port", str(port),
                "--control-port", str(control), "--limits", "none", *kept, *options,
            ],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            running = Running(
                f"http://127.0.0.1:{port}", f"http://127.0.0.1:{control}", process.pid
            )
            _wait(running, process)
            yield running
        finally:
            process.terminate()
            process.wait(30)


def _wait(running: Running, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the exchange ended with status {process.returncode}")
        try:
            running.ask("/control/state")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the exchange did not start within a minute")


def free_ports(n: int) -> list[int]:
    """Ports nobody listens on now."""
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return found


def signed(**parameters: object) -> tuple[str, dict[str, str]]:
    """A signed body and its headers."""
    stamped = {"timestamp": int(time.time() * 1e3), **parameters, "recvWindow": 10_000}
    text = "&".join(f"{name}={value}" for name, value in stamped.items())
    signature = hmac.new(_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
    headers = {"X-MBX-APIKEY": _KEY, "Content-Type": "application/x-www-form-urlencoded"}
    return f"{text}&signature={signature}", headers
