from __future__ import annotations

from typing import Any

import pytest

from ops.process.logs import Redactor
from streamer.config import parse
from tests.streamer.sections.findings import finding

SECRETS = ["first-secret", "second-secret", "third-secret", "fourth-secret"]
PLATFORMS: dict[str, Any] = {
    "youtube": {
        "client_id": "1-web.apps.example",
        "client_secret": SECRETS[0],
        "device_client_id": "1-tv.apps.example",
        "device_client_secret": SECRETS[1],
    },
    "facebook": {"client_id": "2", "client_secret": SECRETS[2], "client_token": SECRETS[3]},
}


def test_what_is_registered() -> None:
    platforms = parse({"platforms": PLATFORMS}).platforms
    assert platforms.youtube.client_secret.get_secret_value() == SECRETS[0]
    assert (platforms.twitch.client_id, platforms.youtube.daily_units) == ("", 10_000)
    assert not any(secret in repr(platforms) for secret in SECRETS)


def test_its_secrets_are_in_no_log() -> None:
    redactor = Redactor()
    redactor.know_config(parse({"platforms": PLATFORMS}))
    assert redactor(None, "", {"event": " ".join(SECRETS)}) == {"event": "*** *** *** ***"}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"client_id": "1"}, "expected client_id and client_secret together"),
        ({"client_secret": "hidden"}, "expected client_id and client_secret together"),
        ({"client_id": "a b", "client_secret": "hidden"}, "without spaces"),
        ({"base_url": "http://platform.example"}, "expected https://host/path"),
        ({"client_key": "hidden"}, "unknown key"),
    ],
)
def test_what_cannot_be_used(table: dict[str, Any], expected: str) -> None:
    found = finding("platforms", {"twitch": table})
    assert expected in found
    assert "hidden" not in found
