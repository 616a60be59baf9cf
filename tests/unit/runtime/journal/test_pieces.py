"""Parts that are written once stand in a document as if they had been written with it."""

from __future__ import annotations

import math

import pytest

from runtime.journal.codec import dumps, loads
from runtime.journal.pieces import Piece, Pieces, whole_numbers

ROW = {"id": "a", "r": math.nan, "deep": {"up": [math.inf, -0.0, 2**70]}, "none": None}


def test_a_document_of_pieces_has_the_text_of_one_without() -> None:
    rows = [ROW | {"id": name} for name in "abc"]
    plain = {"rows": rows, "held": [[1, -1], [2, 1]], "n": 3}
    pieces = {"rows": Pieces(Piece(x) for x in rows), "held": whole_numbers([[1, -1], [2, 1]])}
    assert dumps({**pieces, "n": 3}) == dumps(plain)
    assert dumps({**pieces, "n": 3}) == dumps(plain), "a second time"
    assert {**pieces, "n": 3} == plain
    assert math.isnan(loads(dumps(pieces))["rows"][1]["r"])
    assert loads(dumps(Pieces([]))) == []


def test_a_piece_is_written_once() -> None:
    piece = Piece(ROW)
    first = dumps({"x": piece, "n": 1})
    piece["id"] = "changed, against the rule"
    assert dumps({"x": piece, "n": 2}) == first.replace('"n":1', '"n":2')


def test_what_nothing_can_write_is_refused_in_a_piece_too() -> None:
    with pytest.raises(TypeError, match="object"):
        dumps({"x": Piece({"y": object()})})
    with pytest.raises(TypeError):
        whole_numbers([[2**70]])
