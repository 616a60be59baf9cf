from __future__ import annotations

import pytest

from runtime.exchange.errors import VenueError
from runtime.exchange.rest.raw import read_raw
from runtime.exchange.rest.signing import Signing, check_time
from tests.unit.runtime.exchange.rest.asking import sign

NOW = 1_700_000_000_000


def _code(signing: Signing, target: str, body: bytes = b"") -> int:
    try:
        signing.check_signature(read_raw("POST", target, body))
    except VenueError as error:
        return error.code
    return 0


def test_query_and_body_are_signed_as_one_text() -> None:
    signing = Signing("local", "local")
    good = sign("a=1b=2")
    assert _code(signing, "/p?a=1", f"b=2&signature={good}".encode()) == 0
    assert _code(signing, f"/p?a=1&signature={good.upper()}", b"b=2") == 0
    assert _code(signing, f"/p?a=1&b=2&signature={good}") == -1022


def test_another_spelling_of_the_same_parameters_is_another_text() -> None:
    signing = Signing("local", "local")
    assert _code(signing, f"/p?a=%5B1%5D&signature={sign('a=%5B1%5D')}") == 0
    assert _code(signing, f"/p?a=%5b1%5d&signature={sign('a=%5B1%5D')}") == -1022
    assert _code(signing, f"/p?a=[1]&signature={sign('a=%5B1%5D')}") == -1022


@pytest.mark.parametrize("sent", ["", "00", "ü", "g" * 64])
def test_wrong_signatures(sent: str) -> None:
    assert _code(Signing("local", "local"), f"/p?a=1&signature={sent}") == (
        -1022 if sent else -1102
    )


@pytest.mark.parametrize(("key", "code"), [(None, -2014), ("", -2014), ("x", -2015), ("ü", -2015)])
def test_wrong_keys(key: str | None, code: int) -> None:
    with pytest.raises(VenueError) as refused:
        Signing("local", "local").check_key(key)
    assert (refused.value.code, refused.value.http) == (code, 401)


@pytest.mark.parametrize(
    ("stamp", "window", "code"),
    [
        (NOW, None, 0),
        (NOW - 5_000, None, 0),
        (NOW - 5_001, None, -1021),
        (NOW - 5_001, "10000", 0),
        (NOW - 60_001, "60000", -1021),
        (NOW, "60001", -1131),
        (NOW, "-1", -1102),
        (NOW, "1.5", -1102),
        (NOW + 999, None, 0),
        (NOW + 1_000, None, -1021),
        ("x", None, -1102),
        ("1e12", None, -1102),
        (None, None, -1102),
    ],
)
def test_receive_window_on_the_wall_clock(stamp: object, window: str | None, code: int) -> None:
    values = {} if stamp is None else {"timestamp": str(stamp)}
    values |= {} if window is None else {"recvWindow": window}
    found = 0
    try:
        check_time(values, NOW)
    except VenueError as error:
        found = error.code
    assert found == code
