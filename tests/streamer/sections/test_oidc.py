from __future__ import annotations

from typing import Any

import pytest

from streamer.config import parse
from tests.streamer.sections.findings import finding

ACME = {"issuer": "https://acme.example", "client_id": "streamer", "client_secret": "hush hush"}


def test_there_is_none_unless_configured() -> None:
    assert parse({}).oidc.issuer == ""


def test_a_provider() -> None:
    config = parse({"oidc": {**ACME, "groups": {"staff": "crew"}}}).oidc
    assert config.groups == {"staff": "crew"}
    assert "hush" not in repr(config)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"issuer": "http://acme.example"}, "https://"),
        ({"issuer": "acme"}, "https://"),
        ({"client_id": ""}, "client_id"),
        ({"name": "Acme Corp"}, "lower-case"),
        ({"scopes": ["profile"]}, "openid"),
        ({"clientid": "x"}, "unknown key"),
    ],
)
def test_what_cannot_be(change: dict[str, Any], expected: str) -> None:
    found = finding("oidc", {**ACME, **change})
    assert expected in found
    assert "hush" not in found
