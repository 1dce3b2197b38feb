from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.viewer import video_subscription
from transport.plane.arguments import check_keys, check_options, check_payload_types, credential_bytes
from transport.plane.interface import PlaneOptions, SrtpProfile


@pytest.mark.parametrize(("size", "is_good"), [(63, False), (64, True), (1300, True), (1301, False)])
def test_payloads_fit_datagrams_with_all_that_is_around_them(size: int, is_good: bool) -> None:
    options = PlaneOptions(max_payload_bytes=size)
    if is_good:
        check_options(options)
    else:
        with pytest.raises(ValueError, match="max_payload_bytes"):
            check_options(options)


@pytest.mark.parametrize("profile", list(SrtpProfile))
def test_keys_fit_their_profile(profile: SrtpProfile) -> None:
    size = profile.key_bytes + profile.salt_bytes
    check_keys(profile, bytes(size), bytes(size))
    for tx, rx in ((size - 1, size), (size, size + 1)):
        with pytest.raises(ValueError, match=profile.value):
            check_keys(profile, bytes(tx), bytes(rx))


def test_payload_types_have_7_bits() -> None:
    check_payload_types(replace(video_subscription(rtx=False), payload_type=127))
    for change in ({"payload_type": 128}, {"payload_type": -1}, {"rtx_payload_type": 200}):
        with pytest.raises(ValueError, match="0-127"):
            check_payload_types(replace(video_subscription(), **change))  # type: ignore[arg-type]


def test_credentials_are_neither_empty_nor_longer_than_an_attribute() -> None:
    assert credential_bytes("ü", "p" * 256) == ("ü".encode(), b"p" * 256)
    for ufrag, pwd in (("", "p"), ("u", ""), ("ü" * 129, "p"), ("u", "p" * 257)):
        with pytest.raises(ValueError, match="1 to 256"):
            credential_bytes(ufrag, pwd)
