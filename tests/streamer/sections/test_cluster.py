from __future__ import annotations

from typing import Any

import pytest

from streamer.config import parse
from streamer.errors import ConfigError
from tests.streamer.sections.findings import finding

SECRET = "of the machines"
WHOLE = {"secret": SECRET, "advertise": "10.0.0.5:8890"}


@pytest.mark.parametrize("address", ["10.0.0.5:8890", "[2001:db8::5]:8890", "one.example:8890"])
def test_what_can_be_used(address: str) -> None:
    document = {"redis": {"url": "redis://localhost"}, "cluster": WHOLE | {"advertise": address}}
    config = parse(document | {"srt": {"listen": "0.0.0.0:8890"}})
    assert config.cluster.advertise == address
    assert SECRET not in repr(config)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"secret": SECRET}, "expected both secret and advertise, or neither"),
        ({"advertise": "10.0.0.5:8890"}, "expected both secret and advertise, or neither"),
        (WHOLE | {"secret": "short"}, "expected 10-79 bytes, these are 5"),
        (WHOLE | {"advertise": "10.0.0.5"}, 'expected a host and a port, as "10.0.0.5:8890"'),
        (WHOLE | {"advertise": ":8890"}, "expected a host and a port"),
        (WHOLE | {"advertise": "10.0.0.5:8890?mode=listener"}, "expected a host and a port"),
        (WHOLE | {"advertise": "0.0.0.0:8890"}, "0.0.0.0 is only one to listen on"),
        (WHOLE | {"advertise": "[::]:8890"}, ":: is only one to listen on"),
        (WHOLE | {"advertise": "127.0.0.1:8890"}, "machines find each other in Redis; expected redis.url"),
    ],
)
def test_what_cannot(table: dict[str, Any], expected: str) -> None:
    found = finding("cluster", table)
    assert expected in found
    assert SECRET not in found


def test_a_secret_that_is_too_short_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"redis": {"url": "redis://localhost"}, "cluster": WHOLE | {"secret": "seven77"}})
    assert "seven77" not in str(caught.value)


@pytest.mark.parametrize("listen", ["127.0.0.1:8890", "[::1]:8890", "localhost:8890"])
def test_a_listener_that_no_other_machine_reaches(listen: str) -> None:
    document = {"redis": {"url": "redis://localhost"}, "srt": {"listen": listen}}
    with pytest.raises(
        ConfigError, match=r"srt\.listen.*no other machine reaches it there.*10\.0\.0\.5:8890"
    ):
        parse(document | {"cluster": WHOLE})
    # All of them on one.
    parse(document | {"cluster": WHOLE | {"advertise": "localhost:8890"}})
