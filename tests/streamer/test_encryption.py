from __future__ import annotations

from typing import Any

import pytest

from streamer.config import parse
from streamer.encryption import Floor
from streamer.errors import ConfigError

PASSPHRASE = "correct horse battery"
PUBLISHED: dict[str, Any] = {"publish_key": "k", "passphrase": PASSPHRASE}


def refusal(**stream: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse({"streams": {"cam": stream}})
    text = str(caught.value)
    assert PASSPHRASE not in text
    return text


def accept(**stream: Any) -> Floor:
    return parse({"streams": {"cam": stream}}).streams["cam"].encryption


def test_the_default_demands_nothing() -> None:
    floor = accept(publish_key="k")
    assert floor is Floor.NONE and not floor and floor.key_bytes == 0


@pytest.mark.parametrize(("word", "key_bytes"), [("aes-128", 16), ("aes-256", 32)])
def test_a_floor_is_a_key_length(word: str, key_bytes: int) -> None:
    floor = accept(**PUBLISHED, encryption=word)
    assert floor and floor.key_bytes == key_bytes


def test_another_word_is_refused() -> None:
    assert "'aes-256'" in refusal(**PUBLISHED, encryption="aes-512")


class TestPublished:
    def test_needs_a_passphrase(self) -> None:
        assert 'encryption = "aes-128" needs a passphrase' in refusal(publish_key="k", encryption="aes-128")

    @pytest.mark.parametrize("pbkeylen", [16, 24])
    def test_needs_a_key_that_is_long_enough(self, pbkeylen: int) -> None:
        text = refusal(**PUBLISHED, encryption="aes-256", pbkeylen=pbkeylen)
        assert f"needs pbkeylen of at least 32, this is {pbkeylen}" in text
        assert accept(**PUBLISHED, encryption="aes-128", pbkeylen=pbkeylen)


class TestPulled:
    def test_a_camera_needs_tls(self) -> None:
        assert "rtsps://" in refusal(source="rtsp://192.0.2.1/1", encryption="aes-128")
        assert accept(source="rtsps://192.0.2.1/1", encryption="aes-256")

    def test_a_camera_must_be_known_and_its_media_inside_tls(self) -> None:
        camera = {"source": "rtsps://192.0.2.1/1", "encryption": "aes-128"}
        assert "tls_ca_file" in refusal(**camera, tls_verify=False)
        assert 'rtsp_transport = "tcp"' in refusal(**camera, rtsp_transport="udp")

    def test_srt_needs_a_passphrase_in_its_address_or_beside_it(self) -> None:
        source = "srt://192.0.2.1:9000"
        assert "needs a passphrase" in refusal(source=source, encryption="aes-128")
        assert accept(source=f"{source}?passphrase={PASSPHRASE}", encryption="aes-256")
        assert accept(source=source, passphrase=PASSPHRASE, encryption="aes-256")

    def test_what_the_address_says_about_the_key_counts(self) -> None:
        source = f"srt://192.0.2.1:9000?passphrase={PASSPHRASE}&pbkeylen=16"
        text = refusal(source=source, encryption="aes-256", pbkeylen=32)
        assert "pbkeylen of the source of at least 32, this is 16" in text
        assert accept(source=source, encryption="aes-128")


def test_content_keys_are_a_leg_as_well() -> None:
    text = refusal(**PUBLISHED, encryption="aes-256", e2e=True, e2e_key_bytes=16)
    assert "e2e_key_bytes 16 is below" in text
    assert parse({"streams": {"cam": {**PUBLISHED, "encryption": "aes-256", "e2e": True}}})
