"""The script of docs/exchange.md runs as it stands, at another port."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

from runtime.exchange.control_models import FaultBody
from runtime.exchange.fault_kinds import FaultKind
from tests.unit.runtime.exchange.live import live, run


def script_of(text: str) -> str:
    """The code block that is marked as the script."""
    found = re.search(r"<!-- script:.*?-->\n```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_script_trades(root: Path) -> None:
    script = script_of((root / "docs" / "exchange.md").read_text(encoding="utf-8"))
    assert len([line for line in script.splitlines() if line]) <= 11

    async def work() -> None:
        async with live() as exchange:
            port = exchange.addresses.rest.rsplit(":", 1)[1]
            program = await asyncio.create_subprocess_exec(
                sys.executable, "-c", script.replace("18080", port),
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, _ = await program.communicate()
            assert program.returncode == 0
            order, average, stop, total = out.split()
            assert (order, stop) == (b"closed", b"open")
            assert float(average) > 0
            # The market goes on while the script asks: the fee is paid, the price has moved.
            assert 9_000 < float(total) < 11_000
            assert float(total) != 10_000
            state = exchange.session.state
            assert state.holdings["BTCUSDT"].book.qty == 10
            assert [a.reduce_only for a in state.open_algos()] == [True]

    run(work())


def test_the_readme_shows_the_same_script(root: Path) -> None:
    script = script_of((root / "docs" / "exchange.md").read_text(encoding="utf-8"))
    assert script in (root / "README.md").read_text(encoding="utf-8")


def test_every_kind_and_the_example_are_documented(root: Path) -> None:
    text = (root / "docs" / "exchange.md").read_text(encoding="utf-8")
    assert [k.value for k in FaultKind if f"`{k.value}`" not in text] == []
    example = re.search(r"-d '(.*?)'", text)
    assert example is not None
    assert FaultBody(**json.loads(example[1])).fault().kind is FaultKind.DROP_AFTER
