from __future__ import annotations

import pytest

from runtime.exchange.errors import VenueError
from runtime.exchange.rest.raw import read_raw


def test_what_was_signed_is_the_text_itself_not_its_meaning() -> None:
    found = read_raw("POST", "/p?b=%5b1%5D&c=a+b", b"d=%41&signature=ff&e=1")
    assert found.signed_text == "b=%5b1%5D&c=a+bd=%41&e=1"
    assert found.values == {"b": "[1]", "c": "a b", "d": "A", "e": "1"}
    assert found.signature == "ff"
    assert found.path == "/p"


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("/p?a=1&a=2", b"", -1101),
        ("/p?a=1", b"a=1", -1101),
        ("/p?signature=1", b"signature=2", -1101),
        ("/p?a=%ff", b"", -1100),
        ("/p", b"a=\xff", -1100),
        ("/p?" + "&".join(f"a{i}=1" for i in range(65)), b"", -1101),
        ("/p?a=" + "1" * 20_000, b"", -1101),
    ],
)
def test_texts_that_are_no_parameters_are_refused(target: str, body: bytes, code: int) -> None:
    with pytest.raises(VenueError) as refused:
        read_raw("GET", target, body)
    assert refused.value.code == code


def test_values_without_a_name_or_a_sign_are_kept_as_sent() -> None:
    found = read_raw("GET", "/p?a&=1&&b==", b"")
    assert found.values == {"a": "", "": "1", "b": "="}
    assert found.signed_text == "a&=1&&b=="
