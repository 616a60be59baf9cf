from __future__ import annotations

import json
from typing import get_args

import pytest

from envs.core.errors import FixData
from runtime.exchange import commands as c
from runtime.exchange.orders import SELL, AlgoRequest, OrderRequest, OrderType, TimeInForce

ORDER = OrderRequest("a", "A", SELL, OrderType.LIMIT, 5, 100, TimeInForce.GTX, reduce_only=True)
ALGO = AlgoRequest(
    "b", "A", SELL, OrderType.TRAILING_STOP_MARKET, 5, callback_frac=0.01, on_mark=True
)
EXAMPLES: list[c.Command] = [
    c.Place(ORDER), c.Cancel("A", 7), c.Cancel("A", client_id="x"), c.CancelAllOrders("A"),
    c.Amend("A", None, "x", 5, 100), c.PlaceAlgo(ALGO), c.CancelAlgo(3), c.CancelAllAlgos("A"),
    c.SetLeverage("A", 5), c.SetMarginType("A", False), c.SetPositionMode(True),
    c.Countdown("A", 1_000), c.FireCountdown("A"), c.Liquidate("A"), c.CloseExternally("A"),
    c.MovePrice("A", 9_000), c.RefuseChildren("A", 2),
]  # fmt: skip


@pytest.mark.parametrize("command", EXAMPLES, ids=lambda x: type(x).__name__)
def test_commands_survive_the_journal(command: c.Command) -> None:
    written = json.loads(json.dumps(c.to_json(command)))
    back = c.from_json(written)
    assert back == command
    assert type(back) is type(command)


def test_every_kind_has_an_example() -> None:
    assert {type(x) for x in EXAMPLES} == set(get_args(c.Command))


def test_enumerations_come_back_as_themselves() -> None:
    back = c.from_json(json.loads(json.dumps(c.to_json(c.Place(ORDER)))))
    assert isinstance(back, c.Place)
    assert back.request.type is OrderType.LIMIT
    assert back.request.time_in_force is TimeInForce.GTX


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"kind": "Teleport"}, "unknown command 'Teleport'"),
        ({}, "unknown command None"),
        ({"kind": "Liquidate"}, "does not fit"),
        ({"kind": "Liquidate", "symbol": "A", "colour": 1}, "does not fit"),
        ({"kind": "Place", "request": {"type": "SALAD"}}, "does not fit"),
    ],
)
def test_what_no_version_wrote_is_refused(entry: dict[str, object], message: str) -> None:
    with pytest.raises(FixData, match=message):
        c.from_json(entry)
