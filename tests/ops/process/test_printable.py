from __future__ import annotations

import json

import pytest

from ops.process.printable import printable, printable_json


def test_what_people_read_stays() -> None:
    assert printable("Zoë, 東京 👩") == "Zoë, 東京 👩"
    assert printable_json('{"name": "Zoë"}\n') == '{"name": "Zoë"}\n'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\r\nb\t", r"a\r\nb\t"),
        ("\x9b31m", r"\x9b31m"),  # an escape in one byte
        ("\u202egnp.exe", r"\u202egnp.exe"),  # written from right to left
        ("\ud800", r"\ud800"),
    ],
)
def test_what_terminals_obey_is_spelt_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_line_breaks_may_be_kept() -> None:
    assert printable("a\nb\x07", keep="\n") == "a\nb\\x07"


def test_json_says_the_same() -> None:
    entry = {"agent": "a\x1b[31m\x9b\x7f\u202e\U000e0001\n"}
    shown = printable_json(json.dumps(entry, ensure_ascii=False) + "\n")
    assert shown[:-1].isprintable()
    assert json.loads(shown) == entry
