from __future__ import annotations

import pytest

from runtime.adapters.ccxt_errors import (
    BY_CODE,
    Cause,
    Failure,
    Verdict,
    classify,
    failure_of,
    nonsense,
)
from runtime.port_values import Advice

V, A = Verdict, Advice
UNKNOWN_TEXT = "Unknown error, please check your request or try again later."

# One row per line of section 3 of the contract: HTTP status, code, text; verdict, advice.
SECTION_3 = [
    (400, -1021, "timestamp", V.REJECTED, A.RESYNC_CLOCK),
    (400, -1022, "signature", V.FATAL, A.STOP_TRADING),
    (401, -2014, "key format", V.FATAL, A.STOP_TRADING),
    (401, -2015, "key or permissions", V.FATAL, A.STOP_TRADING),
    (400, -1013, "LOT_SIZE", V.REJECTED, A.FIX_REQUEST),
    (400, -1111, "precision", V.REJECTED, A.FIX_REQUEST),
    (400, -4003, "quantity", V.REJECTED, A.FIX_REQUEST),
    (400, -4005, "quantity", V.REJECTED, A.FIX_REQUEST),
    (400, -4014, "price", V.REJECTED, A.FIX_REQUEST),
    (400, -4016, "price", V.REJECTED, A.FIX_REQUEST),
    (400, -4164, "notional", V.REJECTED, A.SKIP),
    (400, -2010, "rejected", V.REJECTED, A.NONE),
    (400, -2018, "balance", V.REJECTED, A.SIZE_DOWN),
    (400, -2019, "margin", V.REJECTED, A.SIZE_DOWN),
    (400, -2024, "position", V.REJECTED, A.SIZE_DOWN),
    (400, -2011, "unknown order", V.NOT_FOUND, A.VERIFY),
    (400, -2013, "no such order", V.NOT_FOUND, A.VERIFY),
    (400, -2021, "would trigger", V.REJECTED, A.EXIT_NOW),
    (400, -2022, "reduce only", V.REJECTED, A.RECONCILE),
    (400, -2025, "open orders", V.REJECTED, A.NONE),
    (400, -2027, "leverage", V.REJECTED, A.NONE),
    (400, -2028, "leverage", V.REJECTED, A.NONE),
    (400, -4116, "duplicate", V.DUPLICATE, A.VERIFY),
    (400, -4120, "algo", V.REJECTED, A.USE_TRIGGER),
    (400, -5021, "FOK", V.REJECTED, A.REPRICE),
    (400, -5022, "post only", V.REJECTED, A.REPRICE),
    (400, -4400, "reduce only", V.REJECTED, A.REDUCE_ONLY),
    (400, -2023, "liquidation", V.REJECTED, A.REDUCE_ONLY),
    (429, -1003, "weight", V.RATE_LIMITED, A.BACK_OFF),
    (429, -1015, "orders", V.RATE_LIMITED, A.BACK_OFF),
    (429, 0, "anything", V.RATE_LIMITED, A.BACK_OFF),
    (418, 0, "banned", V.RATE_LIMITED, A.BACK_OFF),
    (418, -2019, "banned", V.RATE_LIMITED, A.BACK_OFF),
    (503, -1008, "overloaded", V.UNKNOWN, A.BACK_OFF),
    (408, -1007, "timeout", V.UNKNOWN, A.VERIFY),
    (503, -1007, "timeout", V.UNKNOWN, A.VERIFY),
    (503, -1006, "unexpected", V.UNKNOWN, A.VERIFY),
    (500, -1000, "unknown", V.UNKNOWN, A.VERIFY),
    (500, -1001, "disconnected", V.UNKNOWN, A.VERIFY),
    (503, 0, UNKNOWN_TEXT, V.UNKNOWN, A.VERIFY),
    (503, 0, "Service Unavailable.", V.UNKNOWN, A.VERIFY),
    (502, 0, "Bad Gateway", V.UNKNOWN, A.VERIFY),
    (504, 0, "Gateway Timeout", V.UNKNOWN, A.VERIFY),
    (403, 0, "<html>WAF</html>", V.REJECTED, A.BACK_OFF),
    # Not in the table: a 4XX is the sender's mistake, everything else may have been carried out.
    (400, -9999, "new code", V.REJECTED, A.NONE),
    (404, 0, "no such path", V.REJECTED, A.NONE),
    (408, 0, "timeout", V.UNKNOWN, A.VERIFY),
    (599, 0, "?", V.UNKNOWN, A.VERIFY),
    (500, -9999, "new code", V.UNKNOWN, A.VERIFY),
    (0, 0, "?", V.UNKNOWN, A.VERIFY),
]


@pytest.mark.parametrize(("http", "code", "text", "verdict", "advice"), SECTION_3)
def test_every_line_of_the_contract(
    http: int, code: int, text: str, verdict: Verdict, advice: Advice
) -> None:
    found = classify(Failure(code, http, text))
    assert (found.verdict, found.advice) == (verdict, advice)
    assert found.is_definite == (verdict in (V.REJECTED, V.RATE_LIMITED, V.FATAL))


def test_every_code_of_the_table_is_tested() -> None:
    tested = {code for _, code, *_ in SECTION_3}
    kin = {-2008, -1002, -4061, *range(-1106, -1099), -1121}
    assert set(BY_CODE) - kin <= tested


@pytest.mark.parametrize(
    ("cause", "verdict"),
    [(Cause.LOST, V.UNKNOWN), (Cause.NOT_SENT, V.REJECTED), (Cause.LOCAL, V.REJECTED)],
)
def test_only_a_connection_never_made_is_a_sure_no(cause: Cause, verdict: Verdict) -> None:
    assert classify(Failure(cause=cause)).verdict is verdict


def test_an_empty_answer_is_unknown() -> None:
    assert nonsense("").verdict is V.UNKNOWN


def _raised(error: Exception, cause: BaseException | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as made:
        return made


def test_exceptions_of_ccxt_are_taken_apart() -> None:
    import aiohttp
    from ccxt.base.errors import (
        BadRequest,
        DDoSProtection,
        ExchangeError,
        ExchangeNotAvailable,
        InvalidOrder,
        NotSupported,
        RequestTimeout,
    )

    def of(error: Exception, cause: BaseException | None = None) -> tuple[Cause, int, int]:
        found = failure_of(_raised(error, cause))
        return found.cause, found.code, found.http

    body = 'binanceusdm {"code":-2019,"msg":"Margin is insufficient."}'
    assert of(ExchangeError(body)) == (Cause.ANSWER, -2019, 0)
    lot = 'binanceusdm order amount should be evenly divisible {"code":-1013,"msg":"LOT_SIZE"}'
    assert of(InvalidOrder(lot)) == (Cause.ANSWER, -1013, 0)
    assert of(ExchangeNotAvailable(f"binanceusdm {UNKNOWN_TEXT}"))[0] is Cause.ANSWER
    gone = "binanceusdm POST http://127.0.0.1:18080/fapi/v1/order 503 Service Unavailable oops"
    assert of(ExchangeNotAvailable(gone)) == (Cause.ANSWER, 0, 503)
    wall = "binanceusdm POST http://127.0.0.1:40300/fapi/v1/order 403 Forbidden <html>"
    assert of(ExchangeNotAvailable(wall)) == (Cause.ANSWER, 0, 403)
    limited = 'binanceusdm 429 Too Many Requests {"code":-1003,"msg":"x"}'
    assert of(DDoSProtection(limited)) == (Cause.ANSWER, -1003, 429)
    where = "binanceusdm POST http://127.0.0.1:1/fapi/v1/order"
    assert of(RequestTimeout(where), TimeoutError())[0] is Cause.LOST
    assert of(ExchangeNotAvailable(where), aiohttp.ServerDisconnectedError())[0] is Cause.LOST
    assert of(ExchangeNotAvailable(where), ConnectionRefusedError())[0] is Cause.NOT_SENT
    assert of(NotSupported("binanceusdm does not support this"))[0] is Cause.LOCAL
    assert of(BadRequest('binanceusdm {"code":"x"}')) == (Cause.ANSWER, 0, 0)
    assert of(ValueError("ours"))[0] is Cause.LOCAL


def test_the_pause_asked_for_is_read_from_the_headers() -> None:
    from ccxt.base.errors import DDoSProtection

    error = _raised(DDoSProtection('binanceusdm 418 teapot {"code":-1003,"msg":"banned"}'))
    assert failure_of(error, {"Retry-After": "17"}).retry_after_s == 17.0
    assert failure_of(error, {"Retry-After": "soon"}).retry_after_s == 0.0
    assert failure_of(error, None).retry_after_s == 0.0


def test_what_was_being_handled_meanwhile_does_not_count() -> None:
    from ccxt.base.errors import OrderNotFound

    try:
        raise ConnectionResetError("an earlier request")
    except ConnectionResetError:
        error = _raised(OrderNotFound('binanceusdm {"code":-2013,"msg":"Order does not exist."}'))
    assert classify(failure_of(error)).verdict is V.NOT_FOUND
