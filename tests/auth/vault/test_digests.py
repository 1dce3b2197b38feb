from __future__ import annotations

from auth.vault.digests import digest


def test_it_depends_on_everything() -> None:
    digests = {
        digest("a"),
        digest("b"),
        digest("a", "jane"),
        digest("a", "joan"),
        digest("jane", "a"),
        digest(""),
    }
    assert len(digests) == 6
    assert {len(each) for each in digests} == {64}


def test_what_is_no_text_has_one_too() -> None:
    assert digest("a\udcff") != digest("a")
