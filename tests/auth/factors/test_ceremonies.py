from __future__ import annotations

import json

import pytest

from auth.errors import BadCredentials
from auth.factors.ceremonies import parse_answer, transports_in


@pytest.mark.parametrize(
    "answer", ["", "5", "[]", "null", "{", "[" * 60_000, '{"a": "' + "x" * 70_000 + '"}']
)
def test_what_no_browser_answers(answer: str) -> None:
    with pytest.raises(BadCredentials):
        parse_answer(answer)


@pytest.mark.parametrize(
    ("response", "transports"),
    [
        ({"transports": ["usb", "nfc", "telepathy", 5]}, "nfc usb"),
        ({"transports": []}, ""),
        ({}, ""),
        (None, ""),
        ([], ""),
    ],
)
def test_transports_that_are_known(response: object, transports: str) -> None:
    assert transports_in(json.dumps({"response": response})) == transports
