from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.exchange.rest.endpoints import Access, Endpoint
from runtime.exchange.rest.gate import Gate
from runtime.exchange.rest.params import Params
from runtime.exchange.rest.signing import Signing
from runtime.exchange.rest.table import ENDPOINTS
from tests.unit.runtime.exchange.rest.asking import Asker, digest, run, sign


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/fapi/v1/nothing"), ("PATCH", "/fapi/v1/order"), ("DELETE", "/fapi/v1/klines"),
     ("GET", "/fapi/v1/order/"), ("GET", "/FAPI/v1/ping"), ("", ""), ("GET", "/fapi/v1//ping")],
)  # fmt: skip
def test_paths_and_methods_that_do_not_exist(method: str, target: str) -> None:
    async def work(a: Asker) -> None:
        answer = await a.raw(method, target)
        assert (answer.status, json.loads(answer.text)["code"]) == (404, -5000)

    run(work)


def test_every_account_endpoint_refuses_the_unsigned_and_changes_nothing() -> None:
    async def work(a: Asker) -> None:
        now = a.wall.ms
        before = digest(a.session)
        for one in (e for e in ENDPOINTS if e.access is Access.SIGNED):
            for query, key, code in (
                (f"timestamp={now}", "local", -1102),
                (f"timestamp={now}&signature=00", "local", -1022),
                (f"timestamp={now}&signature={sign(f'timestamp={now}')}", None, -2014),
                (f"timestamp={now}&signature={sign(f'timestamp={now}')}", "other", -2015),
                (f"signature={sign('')}", "local", -1102),
                (f"timestamp=1&signature={sign('timestamp=1')}", "local", -1021),
            ):
                answer = await a.raw(one.method, f"{one.path}?{query}", key=key)
                assert json.loads(answer.text)["code"] == code, (one.path, query)
        assert digest(a.session) == before

    run(work)


def test_every_endpoint_refuses_what_it_does_not_know() -> None:
    async def work(a: Asker) -> None:
        good = {"symbol": "BTCUSDT", "interval": "1h"}
        for one in ENDPOINTS:
            needs = {n: good.get(n, "1") for n in one.params.required}
            if set(needs) - set(good):
                continue
            path = one.path.removeprefix("/fapi/")
            told = await a.ask(one.method, path, **needs, junk="1")
            assert told["code"] == -1104, one.path

    run(work)


def test_a_replayed_request_is_refused_once_its_window_is_over() -> None:
    async def work(a: Asker) -> None:
        text = f"timestamp={a.wall.ms}"
        target = f"/fapi/v3/account?{text}&signature={sign(text)}"
        assert (await a.raw("GET", target)).status == 200
        a.wall.ms += 5_001
        assert json.loads((await a.raw("GET", target)).text)["code"] == -1021

    run(work)


def test_public_requests_need_no_key_and_take_no_signature() -> None:
    async def work(a: Asker) -> None:
        assert (await a.raw("GET", "/fapi/v1/ping", key=None)).text == "{}"
        told = await a.ask("GET", "v1/time")
        assert told["code"] == -1104

    run(work)


def test_a_rule_that_breaks_is_told_as_unknown_not_as_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(desk: Any, p: Any) -> Any:
        raise RuntimeError("secret detail")

    async def work(a: Asker) -> None:
        one = Endpoint("GET", "/fapi/v1/broken", Access.PUBLIC, Params(), 1, broken)
        gate = Gate(a.desk, Signing("local", "local"), [one])
        answer = await gate.answer("GET", "/fapi/v1/broken", b"", None, "x")
        assert answer.status == 503
        assert json.loads(answer.text)["msg"].startswith("Unknown error")
        assert "secret" not in answer.text
        assert "secret detail" in caplog.text

    run(work)
