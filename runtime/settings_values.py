"""How the text of a variable, a TOML value or an option becomes a value of a setting's type."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin

BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
BOUNDS = {"ge": (">=", "["), "gt": (">", "("), "le": ("<=", "]"), "lt": ("<", ")")}


def parse(kind: Any, raw: Any) -> Any:
    """Convert ``raw`` to the annotated type ``kind``; ``ValueError`` or ``TypeError`` if it is not.

    Text is accepted for every type; other values only where nothing is lost by it.
    """
    if get_origin(kind) in (Union, types.UnionType):
        return _parse_union(get_args(kind), raw)
    if get_origin(kind) is tuple:
        return _parse_tuple(get_args(kind), raw)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _parse_enum(kind, raw)
    return _SCALARS[kind](raw)


def check_limits(value: Any, limits: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` where a value, or an element of a tuple, is outside its limits."""
    if isinstance(value, tuple):
        if not value or (isinstance(value[0], str) and len(set(value)) < len(value)):
            raise ValueError("empty or repeated")
        for element in value:
            check_limits(element, limits)
        return
    if value is None:
        return
    ok = True
    if "choices" in limits:
        ok = value in limits["choices"]
    if "pattern" in limits:
        ok = re.fullmatch(limits["pattern"], value) is not None
    if isinstance(value, int | float):
        ok = ok and not ("ge" in limits and value < limits["ge"])
        ok = ok and not ("gt" in limits and value <= limits["gt"])
        ok = ok and not ("le" in limits and value > limits["le"])
        ok = ok and not ("lt" in limits and value >= limits["lt"])
    if not ok:
        raise ValueError("outside the limits")


def allowed(kind: Any, limits: Mapping[str, Any]) -> str:
    """Say in words which values a setting takes."""
    if "choices" in limits:
        return "one of " + ", ".join(str(c) for c in limits["choices"])
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        each = allowed(inner[0], limits)
        count = "" if inner[-1] is Ellipsis else f" of {len(inner)}"
        once = ", none twice" if inner[0] is str else ""
        return f"a comma-separated list{count}{once}: each {each}"
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(allowed(k, limits) for k in get_args(kind) if k is not type(None))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(m.name.lower() for m in kind)
    if kind in (int, float):
        word = "a whole number" if kind is int else "a number"
        return word + _interval(limits)
    if "pattern" in limits:
        return f"text of the form {limits['pattern']}"
    return _WORDS[kind]


def render(value: Any) -> str:
    """Write a value as variables and ``.env`` files hold it; empty for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, tuple):
        return ",".join(render(v) for v in value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _interval(limits: Mapping[str, Any]) -> str:
    low = next((k for k in ("ge", "gt") if k in limits), None)
    high = next((k for k in ("le", "lt") if k in limits), None)
    if low and high:
        return f" in {BOUNDS[low][1]}{render(limits[low])}, {render(limits[high])}{BOUNDS[high][1]}"
    return "".join(f" {BOUNDS[k][0]} {render(limits[k])}" for k in (low, high) if k)


def _parse_union(kinds: tuple[Any, ...], raw: Any) -> Any:
    if type(None) in kinds and raw is None:
        return None
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return parse(kind, raw)
        except (ValueError, TypeError):
            continue
    raise ValueError("fits none of the types")


def _parse_tuple(kinds: tuple[Any, ...], raw: Any) -> tuple[Any, ...]:
    parts = [p.strip() for p in raw.split(",")] if isinstance(raw, str) else list(raw)
    if kinds[-1] is not Ellipsis and len(parts) != len(kinds):
        raise ValueError("wrong number of elements")
    return tuple(parse(kinds[0], p) for p in parts)


def _parse_enum(kind: type[Enum], raw: Any) -> Enum:
    if isinstance(raw, kind):
        return raw
    by_name = {m.name.lower(): m for m in kind}
    if not isinstance(raw, str) or raw.lower() not in by_name:
        raise ValueError("no such name")
    return by_name[raw.lower()]


def _bool(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int):
        raw = str(raw)
    if not isinstance(raw, str) or raw.lower() not in BOOLEANS:
        raise ValueError("no boolean")
    return BOOLEANS[raw.lower()]


def _int(raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int | str):
        raise TypeError("no whole number")
    return int(raw)


def _float(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise TypeError("no number")
    value = float(raw)
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("not finite")
    return value


def _text(raw: Any) -> str:
    if not isinstance(raw, str) or not raw:
        raise TypeError("no text")
    return raw


def _path(raw: Any) -> Path:
    return raw if isinstance(raw, Path) else Path(_text(raw))


def _moment(raw: Any) -> datetime:
    if isinstance(raw, str):
        # A bare date means midnight UTC; a time of day must say its zone.
        raw = (
            date.fromisoformat(raw)
            if "T" not in raw and " " not in raw
            else (datetime.fromisoformat(raw))
        )
    if isinstance(raw, datetime):
        if raw.tzinfo is None:
            raise ValueError("no time zone")
        return raw.astimezone(UTC)
    if isinstance(raw, date):
        return datetime(raw.year, raw.month, raw.day, tzinfo=UTC)
    raise TypeError("no date")


_SCALARS: dict[Any, Any] = {
    bool: _bool, int: _int, float: _float, str: _text, Path: _path, datetime: _moment,
}  # fmt: skip
_WORDS: dict[Any, str] = {
    bool: "true, false, 1 or 0", str: "text", Path: "a path",
    datetime: "a date such as 2024-01-31 (midnight UTC) or a time with its zone "
    "such as 2024-01-31T12:00:00Z",
}  # fmt: skip
