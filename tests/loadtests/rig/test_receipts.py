from __future__ import annotations

import pytest

from loadtests.rig.receipts import Receipts, Tally, last
from tests.fakes.wait import until


def test_the_last_whole_line_counts() -> None:
    assert last("") == Receipts()
    assert last("1 20") == Receipts()
    assert last("1 20\n2 400\n3 5") == Receipts(2, 400)


def test_anything_else_is_an_error_with_its_words() -> None:
    with pytest.raises(ValueError, match=r"the readers say: [^$]*refused"):
        last("1 20\nTraceback\nLinkError: refused\n")


async def test_who_got_something_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally(3)
    tally.payload_bytes[1] += 1316
    tally.payload_bytes[2] += 188
    said = ""

    def is_told() -> bool:
        nonlocal said
        said += capsys.readouterr().out
        return last(said) == Receipts(2, 1504)

    await until(is_told)
    tally.close()
