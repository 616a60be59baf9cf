"""Requests of the control API, checked before anything happens."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from runtime.exchange.fault_kinds import Fault, FaultKind

MOST_VERTICES = 100_000
_Seconds = Annotated[float, Field(ge=0.0, le=86_400.0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False)


class FaultBody(_Strict):
    """A fault; the fields are those of ``Fault``."""

    kind: FaultKind
    endpoint: str = Field("*", max_length=200)
    symbol: str = Field("", max_length=30)
    stream: str = Field("*", max_length=200)
    count: int | None = Field(1, ge=1, le=1_000_000)
    skip: int = Field(0, ge=0, le=1_000_000)
    probability: float = Field(1.0, ge=0.0, le=1.0)
    seconds: _Seconds = 0.0
    executed: bool | None = None
    status: int = Field(0, ge=0, le=599)
    code: int = Field(0, ge=-100_000, le=4_999)
    message: str = Field("", max_length=1_000)
    body: str = Field("", max_length=50_000)
    retry_after_s: int = Field(1, ge=0, le=259_200)
    value: float = Field(0.0, allow_inf_nan=False)
    options: dict[str, Any] = Field(default_factory=dict, max_length=20)

    def fault(self) -> Fault:
        """The fault asked for.

        Raises:
            FixInput: Its fields do not fit its kind.
        """
        return Fault(**{name: getattr(self, name) for name in type(self).model_fields})


class ScheduleBody(_Strict):
    """Random faults of a seed at a rate; all kinds that can be drawn, or these."""

    seed: int = Field(0, ge=0)
    rate: float = Field(ge=0.0, le=1.0)
    kinds: list[str] | None = None


class AdvanceBody(_Strict):
    """How many vertices the market goes on; from close to close while nothing is open."""

    vertices: int = Field(1, ge=1, le=MOST_VERTICES)


class PriceBody(_Strict):
    """A price the market jumps to, quote; rounded to the tick."""

    symbol: str = Field(max_length=30)
    price: float = Field(gt=0.0, allow_inf_nan=False)
