"""TA-Lib's functions on arrays, without the layer that looks for data frames at every call."""

from __future__ import annotations

from typing import Any

import talib


def _plain(name: str) -> Any:
    wrapped = getattr(talib, name)
    return getattr(wrapped, "__wrapped__", wrapped)


ADX = _plain("ADX")
ATR = _plain("ATR")
BBANDS = _plain("BBANDS")
EMA = _plain("EMA")
LN = _plain("LN")
MACD = _plain("MACD")
MAX = _plain("MAX")
MIN = _plain("MIN")
MINUS_DI = _plain("MINUS_DI")
MINUS_DM = _plain("MINUS_DM")
MOM = _plain("MOM")
OBV = _plain("OBV")
PLUS_DI = _plain("PLUS_DI")
PLUS_DM = _plain("PLUS_DM")
ROCP = _plain("ROCP")
RSI = _plain("RSI")
SMA = _plain("SMA")
STDDEV = _plain("STDDEV")
STOCH = _plain("STOCH")
SUM = _plain("SUM")
TRANGE = _plain("TRANGE")
