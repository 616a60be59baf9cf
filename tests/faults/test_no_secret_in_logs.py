"""A run with every library at its most talkative, and a venue that fails: no secret is logged."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from runtime.adapters.ccxt_factory import Keys, make_exchange
from runtime.adapters.ccxt_venue import CcxtVenue
from runtime.exchange.fault_kinds import Fault
from runtime.exchange.fault_kinds import FaultKind as K
from runtime.exchange.hosting import HostedExchange
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings
from runtime.logs import about, start_logging
from runtime.port_values import NewOrder, Outcome
from tests.faults.adapter_rig import FAST, SYMBOL, entry, eventually, open_store, run
from tests.unit.runtime.exchange.cases import CALM, FLAT, market_of

KEYS = Keys("Kq7" + "A1b2C3d4" * 7 + "z", "Sx9" + "E5f6G7h8" * 7 + "y")


def test_no_secret_of_a_real_run_appears(tmp_path: Path) -> None:
    path = tmp_path / "q.log"
    listen_keys: set[str] = set()

    async def main() -> None:
        told = ExchangeSettings(
            symbols=(SYMBOL,), port=0, speed=60.0, start_quote=10_000.0, core=CALM,
            api_key=KEYS.key, api_secret=KEYS.secret,
        )  # fmt: skip
        market = market_of({SYMBOL: [FLAT] * 100}, volume=1e6, core=told.core, tick_s=told.tick_s)
        session = ExchangeSession.open(told, market=market)
        async with HostedExchange(told, session=session) as exchange, open_store(tmp_path) as store:
            client = make_exchange(
                "local", url=exchange.addresses.rest, keys=KEYS, timeout_ms=2_000
            )
            venue = CcxtVenue(client, store, [SYMBOL], settings=FAST)
            try:
                await venue.open()
                await eventually(lambda: venue.health().stream_up)
                listen_keys.add(str(exchange.keys.key))
                exchange.faults.arm(Fault(K.DROP_AFTER, "POST /fapi/v1/order"))
                exchange.faults.arm(Fault(K.GARBAGE, "GET */positionRisk"))
                with about(symbol=SYMBOL, decision_id="d"):
                    answer = await venue.place(NewOrder(entry("d"), SYMBOL, 1, 100))
                    assert answer.outcome is Outcome.ACCEPTED
                    await venue.account()
                exchange.faults.arm(Fault(K.STATUS, "*", status=401, code=-2015, count=10))
                await venue.account()
                await tell(client, str(exchange.keys.key))
            finally:
                await venue.close()

    async def tell(client: Any, listen_key: str) -> None:
        log = logging.getLogger("runtime")
        log.warning(
            "client %s", {n: v for n, v in vars(client).items() if "ecret" in n or "Key" in n}
        )
        log.warning("url %s", client.last_request_url)
        log.warning("headers %s", client.last_request_headers)
        log.warning("stream wss://host/ws/%s", listen_key)
        try:
            raise ConnectionError(f"{client.last_request_url} with {KEYS.secret}")
        except ConnectionError:
            log.exception("lost")

    with start_logging(path, level="DEBUG", secrets=(KEYS.secret,), terminal=False):
        logging.getLogger().setLevel(logging.DEBUG)
        run(main())
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) > 5
    assert all(json.loads(line)["text"] for line in text.splitlines())
    assert '"symbol": "BTCUSDT"' in text
    assert "***" in text
    assert KEYS.key not in text
    assert KEYS.secret not in text
    assert len(listen_keys) == 1
    assert all(len(key) >= 32 and key not in text for key in listen_keys)
    assert "/fapi/v1/order?" in text or "/fapi/v1/order," in text
    signatures = [part.partition("&")[0][:5] for part in text.split("signature=")[1:]]
    assert all(s.startswith("***") for s in signatures)
