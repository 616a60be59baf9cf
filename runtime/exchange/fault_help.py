"""One line for every kind of fault: what happens and which fields it reads."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.exchange.fault_kinds import FaultKind

K = FaultKind
FAULT_HELP: Mapping[FaultKind, str] = {
    K.DROP_BEFORE: "close the connection before the request is carried out",
    K.DROP_AFTER: "carry the request out, then close the connection without an answer",
    K.DELAY_BEFORE: "wait `seconds`, then carry the request out",
    K.DELAY_AFTER: "carry the request out, answer after `seconds`",
    K.STATUS: "answer with `status` and `body` (or `code` and `message`); `executed` or not",
    K.REFUSE: "refuse with `code` and `message`, such as -2021 for a stop; nothing changes",
    K.TIMEOUT: "HTTP 408 with -1007 (or `status`, `code`: 503 and -1006); `executed` or not",
    K.UNKNOWN_ERROR: 'HTTP 503 "Unknown error, please check your request ..."; `executed` or not',
    K.OVERLOADED: "HTTP 503 with -1008; `executed` or not",
    K.EMPTY: "carry out, answer HTTP 200 with no body (or `body`, such as {})",
    K.TRUNCATED: "carry out, answer with the first half of the body",
    K.GARBAGE: "carry out, answer HTTP 200 with HTML (or `body`)",
    K.RATE_LIMITED: "HTTP 429 with -1003 and Retry-After `retry_after_s`",
    K.BANNED: "every request: HTTP 418 and Retry-After, for `seconds` (or `retry_after_s`)",
    K.SKEW: "the server's clock is `value` milliseconds ahead, for `seconds` or until removed",
    K.VANISH_ALGO: "openAlgoOrders without `options.algo_id` or `options.client_id` (or any) for "
    "`seconds`; with `options.query` GET algoOrder does not find it either",
    K.POSITIONS_FAIL: "positionRisk answers HTTP 500",
    K.POSITIONS_EMPTY: "positionRisk answers []",
    K.DELIST: "`symbol` is SETTLING and takes reducing orders only; with `options.remove` it is "
    "gone",
    K.FILTERS: "`symbol` has other filters: `options` tickSize, stepSize, minQty, notional",
    K.STALE_KLINE: "no candle after the one at `options.open_ms` (or the forming one) is shown",
    K.MISSING_KLINE: "the candle at `options.open_ms` (or the forming one) is left out",
    K.REVISED_KLINE: "REST tells the candle at `options.open_ms` (or the last closed one) with a "
    "close changed by the fraction `value`",
    K.CROSSED_BOOK: "bid above ask in depth and bookTicker, REST and stream",
    K.MUTE: "messages of `stream` are lost: `count` of them, or all for `seconds`",
    K.DUPLICATE: "a message is sent twice",
    K.REORDER: "a message is sent after the next one (or a second later)",
    K.DELAY_MESSAGE: "a message is sent `seconds` late",
    K.POISON: "a broken message before the true one: `options.variant` json, no_fee or "
    "unknown_asset, or `body`",
    K.CLOSE_SOCKET: "at once: close clients by `stream` (user, market, a name) with `code`, "
    "without one cut them off (1006)",
    K.HALF_OPEN: "at once: clients by `stream` hear nothing more, not even pongs",
    K.EXPIRE_LISTEN_KEY: "at once: the listen key ends",
    K.LIQUIDATE: "at once: the position of `symbol` is liquidated at its own level",
    K.CLOSE_EXTERNALLY: "at once: the position of `symbol` is closed by an order of nobody's",
    K.PRICE_GAP: "at once: the price of `symbol` jumps by the fraction `value` for one step",
    K.REFUSE_CHILD: "from now on: the next `count` children of triggered conditional orders of "
    "`symbol` expire unfilled; the position stays",
    K.SET_LEVERAGE: "at once: the leverage of `symbol` is `value`",
    K.SET_MARGIN_TYPE: "at once: `symbol` is crossed, or isolated with `options.isolated`",
    K.SET_POSITION_MODE: "at once: hedge mode on (`value` 1) or off (0)",
}
