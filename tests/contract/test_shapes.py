"""Bodies hold every field that the vendor documents, as texts where it sends texts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.contract.conftest import LocalExchange, ccxt_client

_ORDER = (
    "avgPrice clientOrderId cumQuote executedQty orderId origQty origType price reduceOnly side "
    "positionSide status stopPrice closePosition symbol timeInForce type updateTime workingType "
    "priceProtect priceMatch selfTradePreventionMode goodTillDate"
)
_TICKER = (
    "symbol priceChange priceChangePercent weightedAvgPrice lastPrice lastQty openPrice highPrice "
    "lowPrice volume quoteVolume openTime closeTime firstId lastId count"
)
_ALGO = (
    "algoId clientAlgoId algoType orderType symbol side positionSide timeInForce quantity "
    "algoStatus triggerPrice price icebergQuantity selfTradePreventionMode workingType priceMatch "
    "closePosition priceProtect reduceOnly createTime updateTime triggerTime goodTillDate"
)
_ASSET = (
    "asset walletBalance unrealizedProfit marginBalance maintMargin initialMargin "
    "positionInitialMargin openOrderInitialMargin crossWalletBalance crossUnPnl availableBalance "
    "maxWithdrawAmount updateTime"
)
_TOTALS = (
    "totalInitialMargin totalMaintMargin totalWalletBalance totalUnrealizedProfit "
    "totalMarginBalance totalPositionInitialMargin totalOpenOrderInitialMargin "
    "totalCrossWalletBalance totalCrossUnPnl availableBalance maxWithdrawAmount assets positions"
)
_RISK = (
    "symbol positionSide positionAmt entryPrice breakEvenPrice markPrice unRealizedProfit "
    "liquidationPrice isolatedMargin notional isolatedWallet updateTime"
)
_BTC = {"symbol": "BTCUSDT"}
_WHOLE = {"symbol": "BTCUSDT", "orderId": 1}
_NUMBER = re.compile(r"-?\d+(\.\d+)?\Z")
_TEXTS = (
    "symbol side positionSide status type timeInForce origType clientOrderId workingType "
    "priceMatch selfTradePreventionMode clientAlgoId algoType orderType algoStatus asset "
    "marginType isAutoAddMargin accountAlias marginAsset incomeType info commissionAsset "
    "actualOrderId actualType tpOrderType activatePrice callbackRate tradeId"
)
_WORDS = frozenset(_TEXTS.split(" "))


SHAPES: list[tuple[str, dict[str, Any], str]] = [
    ("fapiPrivateGetOrder", _WHOLE, f"{_ORDER} time"),
    ("fapiPrivateGetOpenOrders", _BTC, f"{_ORDER} time"),
    ("fapiPrivateGetAllOrders", _BTC, f"{_ORDER} time"),
    ("fapiPrivateDeleteOrder", _WHOLE, f"{_ORDER} cumQty"),
    ("fapiPrivateGetOpenAlgoOrders", _BTC, _ALGO),
    ("fapiPrivateGetAlgoOrder", {"algoId": 1}, f"{_ALGO} actualOrderId actualPrice"),
    ("fapiPrivateV3GetAccount", {}, _TOTALS),
    (
        "fapiPrivateV2GetAccount", {},
        f"{_TOTALS} feeTier canTrade canDeposit canWithdraw updateTime multiAssetsMargin "
        "tradeGroupId",
    ),
    (
        "fapiPrivateV3GetBalance", {},
        "accountAlias asset balance crossWalletBalance crossUnPnl availableBalance "
        "maxWithdrawAmount marginAvailable updateTime",
    ),
    (
        "fapiPrivateV3GetPositionRisk", _BTC,
        f"{_RISK} marginAsset initialMargin maintMargin positionInitialMargin "
        "openOrderInitialMargin adl bidNotional askNotional",
    ),
    (
        "fapiPrivateV2GetPositionRisk", _BTC,
        f"{_RISK} marginType isAutoAddMargin leverage maxNotionalValue",
    ),
    (
        "fapiPrivateGetUserTrades", _BTC,
        "buyer commission commissionAsset id maker orderId price qty quoteQty realizedPnl side "
        "positionSide symbol time",
    ),
    ("fapiPrivateGetIncome", {}, "symbol incomeType income asset info time tranId tradeId"),
    ("fapiPrivateGetSymbolConfig", _BTC,
     "symbol marginType isAutoAddMargin leverage maxNotionalValue"),
    ("fapiPrivateGetCommissionRate", _BTC, "symbol makerCommissionRate takerCommissionRate"),
    ("fapiPublicGetTicker24hr", _BTC, _TICKER),
    ("fapiPublicGetTickerBookTicker", _BTC, "symbol bidPrice bidQty askPrice askQty time"),
    ("fapiPublicV2GetTickerPrice", _BTC, "symbol price time"),
    (
        "fapiPublicGetPremiumIndex", _BTC,
        "symbol markPrice indexPrice estimatedSettlePrice lastFundingRate interestRate "
        "nextFundingTime time",
    ),
    ("fapiPublicGetFundingRate", _BTC, "symbol fundingRate fundingTime markPrice"),
    ("fapiPublicGetTrades", _BTC, "id price qty quoteQty time isBuyerMaker"),
    ("fapiPublicGetAggTrades", _BTC, "a p q f l T m"),
    ("fapiPublicGetDepth", _BTC, "lastUpdateId E T bids asks"),
]  # fmt: skip


@pytest.fixture(scope="module")
def raw() -> Any:
    exchange = LocalExchange()
    exchange.to_vertex()
    client = ccxt_client(exchange)
    client.load_markets()
    client.create_order("BTC/USDT:USDT", "market", "buy", 0.05)
    stop = {"stopLossPrice": 15_000, "reduceOnly": True}
    client.create_order("BTC/USDT:USDT", "market", "sell", 0.05, None, stop)
    yield client
    exchange.close()


@pytest.mark.parametrize(("call", "params", "keys"), SHAPES, ids=[x[0] for x in SHAPES])
def test_documented_fields(raw: Any, call: str, params: dict[str, Any], keys: str) -> None:
    if call.startswith("fapiPrivateDelete"):
        price = {"price": "15000", "quantity": "0.05", "timeInForce": "GTC"}
        placed = raw.fapiPrivatePostOrder({**_BTC, "side": "BUY", "type": "LIMIT", **price})
        assert set(_ORDER.split()) <= set(placed)
        params = {**_BTC, "orderId": placed["orderId"]}
    found = getattr(raw, call)(params)
    body = found[-1] if isinstance(found, list) else found
    assert set(keys.split()) <= set(body)
    for name, value in body.items():
        if isinstance(value, str) and name not in _WORDS:
            assert _NUMBER.match(value), f"{name}: {value}"


def test_assets_and_positions_inside_the_account(raw: Any) -> None:
    account = raw.fapiPrivateV3GetAccount()
    assert set(_ASSET.split()) <= set(account["assets"][0])
    position = account["positions"][0]
    wanted = "symbol positionSide positionAmt unrealizedProfit isolatedMargin notional "
    wanted += "isolatedWallet initialMargin maintMargin updateTime"
    assert set(wanted.split()) <= set(position)
    wanted = "leverage isolated entryPrice maxNotional bidNotional askNotional breakEvenPrice"
    assert set(wanted.split()) <= set(raw.fapiPrivateV2GetAccount()["positions"][0])


def test_the_listing(raw: Any) -> None:
    info = raw.fapiPublicGetExchangeInfo()
    assert set(info) >= {
        "exchangeFilters", "rateLimits", "serverTime", "assets", "symbols", "timezone",
    }  # fmt: skip
    wanted = (
        "symbol pair contractType deliveryDate onboardDate status maintMarginPercent "
        "requiredMarginPercent baseAsset quoteAsset marginAsset pricePrecision quantityPrecision "
        "baseAssetPrecision quotePrecision underlyingType underlyingSubType triggerProtect "
        "filters orderTypes timeInForce liquidationFee marketTakeBound"
    )
    one = info["symbols"][0]
    assert set(wanted.split()) <= set(one)
    assert [f["filterType"] for f in one["filters"]][:7] == [
        "PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MAX_NUM_ORDERS", "MAX_NUM_ALGO_ORDERS",
        "MIN_NOTIONAL", "PERCENT_PRICE",
    ]  # fmt: skip
    (tier,) = raw.fapiPrivateGetLeverageBracket(_BTC)[0]["brackets"]
    assert set(tier) == {
        "bracket", "initialLeverage", "notionalCap", "notionalFloor", "maintMarginRatio", "cum",
    }  # fmt: skip
