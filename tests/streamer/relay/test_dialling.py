from __future__ import annotations

import pytest
from pydantic import SecretStr

from streamer.encryption import Floor
from streamer.relay.destination import Destination, Settings
from streamer.relay.dialling import Dialling, check_cipher, choose_ingest
from streamer.relay.errors import RelayRefused
from streamer.relay.platforms.broadcast import Ingest
from transport.output import PushStatistics
from transport.push import push_to

DESTINATION = Destination(
    id="1", stream="cam", name="one", settings=Settings(url="rtmp://192.0.2.1/live"), key=SecretStr("key")
)


def test_the_first_time_it_may_take_long_and_then_a_little_longer_than_it_took() -> None:
    dialling = Dialling(DESTINATION)
    assert dialling.options(0, 0).connect_timeout_s == 10.0
    dialling.took_s = 0.01
    assert dialling.options(0, 3).connect_timeout_s == 2.5
    dialling.took_s = 1.5
    assert dialling.options(0, 3).connect_timeout_s == 6.0
    assert dialling.options(0, 25).connect_timeout_s == 10.0
    assert dialling.options(1234, 0).start_ms == 1234


def test_the_second_ingest_is_tried_in_turn() -> None:
    both = Ingest("rtmps://a/x", "key", backup_url="rtmps://b/x")
    chosen = [choose_ingest(both, failures).url[8] for failures in range(7)]
    assert "".join(chosen) == "aaababa"
    alone = Ingest("rtmps://a/x", "key")
    assert choose_ingest(alone, 3) is alone


class Connected:
    """A push that agreed on a cipher."""

    def __init__(self, encryption: str) -> None:
        self._encryption = encryption

    def statistics(self) -> PushStatistics:
        return PushStatistics(encryption=self._encryption)


@pytest.mark.parametrize(
    ("floor", "encryption", "enough"),
    [
        (Floor.NONE, "none", True),
        (Floor.AES_128, "none", False),
        (Floor.AES_128, "TLSv1.2, ECDHE-RSA-AES128-GCM-SHA256", True),
        (Floor.AES_256, "TLSv1.3, TLS_AES_128_GCM_SHA256", False),
        (Floor.AES_256, "TLSv1.3, TLS_AES_256_GCM_SHA384", True),
        (Floor.AES_256, "TLSv1.3, TLS_CHACHA20_POLY1305_SHA256", True),
        (Floor.AES_256, "AES-192", False),
        (Floor.AES_256, "AES-256", True),
    ],
)
def test_what_was_agreed_on_is_held_to_the_floor(floor: Floor, encryption: str, enough: bool) -> None:
    push = Connected(encryption)
    if enough:
        check_cipher(floor, push)  # type: ignore[arg-type]
        return
    with pytest.raises(RelayRefused, match="needs more"):
        check_cipher(floor, push)  # type: ignore[arg-type]


def test_addresses_make_a_push() -> None:
    assert push_to("rtmp://192.0.2.1/live", "key").statistics() == PushStatistics()
