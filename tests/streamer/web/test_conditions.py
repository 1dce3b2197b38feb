from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from streamer.web.conditions import names_tag

ETAG = '"a1"'


@pytest.mark.parametrize(
    ("lines", "is_named"),
    [
        ([], False),
        ([""], False),
        (['"a1"'], True),
        (['W/"a1"'], True),
        (["*"], True),
        ([" * "], True),
        (['"b2", "a1"'], True),
        (['"b2",W/"a1" , "c3"'], True),
        (['"b2"', '"a1"'], True),
        (['"b2", "c3"'], False),
        (['"b,2", "a1"'], True),
        (['"a1'], False),
        (["a1"], False),
        (['"a1x"'], False),
        (['"*"'], False),
        (['""'], False),
        (['"' * 10_000], False),
    ],
)
def test_what_a_condition_names(lines: list[str], is_named: bool) -> None:
    headers = CIMultiDict(("If-Match", line) for line in lines)
    request = make_mocked_request("GET", "/", headers=headers)
    assert names_tag(request, "If-Match", ETAG) is is_named
    assert not names_tag(request, "If-None-Match", ETAG)
