"""Parts of a state document that stay as they are from one commit to the next: written once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson


class Piece(dict[str, Any]):
    """JSON values that nobody changes any more; ``text`` is kept from the first writing on."""

    __slots__ = ("text",)

    def __init__(self, values: Any) -> None:
        super().__init__(values)
        self.text: orjson.Fragment | None = None


class Pieces(list[Any]):
    """A list of the same kind."""

    __slots__ = ("text",)

    def __init__(self, values: Iterable[Any]) -> None:
        super().__init__(values)
        self.text: orjson.Fragment | None = None


def whole_numbers(rows: Iterable[list[int]]) -> Pieces:
    """Rows of whole numbers of 64 bits, which need no writer."""
    out = Pieces(rows)
    out.text = orjson.Fragment(orjson.dumps(list(out)))
    return out
