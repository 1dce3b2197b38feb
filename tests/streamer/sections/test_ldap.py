from __future__ import annotations

from typing import Any

import pytest

from streamer.config import parse
from tests.streamer.sections.findings import finding

DIRECTORY = {
    "urls": ["ldaps://directory.example"],
    "user_base": "ou=people,dc=example",
    "bind_dn": "cn=streamer,dc=example",
    "bind_password": "hush hush",
}


def test_there_is_none_unless_configured() -> None:
    assert parse({}).ldap.urls == ()


def test_a_directory() -> None:
    config = parse({"ldap": DIRECTORY}).ldap
    options = config.options()
    assert (options.bind_password, options.subject_attribute) == ("hush hush", "entryUUID")
    assert "hush" not in repr(config)
    assert "hush" not in repr(options)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"urls": ["http://directory.example"]}, "ldaps://host:port"),
        ({"user_base": ""}, "user_base"),
        ({"user_filter": "(uid=anna)"}, "{name}"),
        ({"ca_file": "/nowhere/ca.pem"}, "PEM"),
        ({"timeout_s": 0}, "greater than or equal to 1"),
        ({"password": "hush"}, "unknown key"),
    ],
)
def test_what_cannot_be(change: dict[str, Any], expected: str) -> None:
    found = finding("ldap", {**DIRECTORY, **change})
    assert expected in found
    assert "hush" not in found
