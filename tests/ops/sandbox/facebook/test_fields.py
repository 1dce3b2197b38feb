from __future__ import annotations

import pytest

from ops.sandbox.face import Refusal
from ops.sandbox.facebook.fields import chosen, parse_fields


def test_lists_and_nesting() -> None:
    text = "id, status,ingest_streams.limit(3){stream_health{video_bitrate},is_master}"
    assert parse_fields(text) == {
        "id": {},
        "status": {},
        "ingest_streams": {"stream_health": {"video_bitrate": {}}, "is_master": {}},
    }


@pytest.mark.parametrize("text", ["a{b", "a}b", "{a}", "a b!", "a{" * 9 + "}" * 9])
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_fields(text)
    assert refused.value.reason == "100"


def test_choosing() -> None:
    values = {"id": "1", "a": None, "b": [{"id": "2", "c": 3, "d": 4}], "e": {"f": 5, "g": 6}}
    fields = parse_fields("a,b{c},e{f}")
    assert chosen(values, fields, "Thing") == {"id": "1", "b": [{"id": "2", "c": 3}], "e": {"f": 5}}
    with pytest.raises(Refusal, match="100"):
        chosen(values, parse_fields("x"), "Thing")
