from __future__ import annotations

from dataclasses import replace

import pytest

from auth.access.permit import Basis, Permit, digest_of_key, earlier
from auth.permissions.actions import Action
from auth.permissions.principals import ANONYMOUS
from tests.auth.ground import NOON

PERMIT = Permit(
    ANONYMOUS, Action.WATCH, frozenset({Action.WATCH, Action.LISTEN}), "cam", "", Basis.PUBLIC, NOON, 1
)


def test_standing_is_what_permits_have_in_common() -> None:
    assert PERMIT.standing == replace(PERMIT, token_id="t", address="192.0.2.1", decided_at=NOON + 1).standing
    for change in (
        replace(PERMIT, stream="other"),
        replace(PERMIT, basis=Basis.TOKEN),
        replace(PERMIT, subject="ann"),
        replace(PERMIT, token_subject="ann"),
        replace(PERMIT, session="s"),
        replace(PERMIT, api_key="k"),
        replace(PERMIT, signing_key="k"),
        replace(PERMIT, action=Action.LISTEN),
    ):
        assert change.standing != PERMIT.standing


@pytest.mark.parametrize(
    ("first", "second", "expected"), [(None, None, None), (1.0, None, 1.0), (None, 2.0, 2.0), (2.0, 1.0, 1.0)]
)
def test_earlier(first: float | None, second: float | None, expected: float | None) -> None:
    assert earlier(first, second) == expected


def test_digests_of_keys() -> None:
    assert digest_of_key("a") == digest_of_key("a") != digest_of_key("b")
    assert digest_of_key("\udcff")
