from __future__ import annotations

import random
import re

import pytest

from tests.transport.webrtc.vectors import OFFERS, vector
from transport.errors import WireError
from transport.webrtc import offers
from transport.webrtc.offers import read_offer
from transport.webrtc.wire import Offer, parse_offer


def outcome(read, text: str) -> Offer | str:
    try:
        return read(text)
    except WireError as error:
        return str(error)


def of_another_viewer(text: str, rng: random.Random) -> str:
    """The same browser's offer with values of its own."""

    digest = ":".join(f"{rng.randrange(256):02X}" for _ in range(32))
    for start, value in (
        ("a=ice-ufrag:", f"{rng.randrange(10**8):08}"),
        ("a=ice-pwd:", f"{rng.randrange(10**24):024}"),
        ("a=fingerprint:sha-256 ", digest),
        ("o=- ", str(rng.randrange(10**18))),
    ):
        text = re.sub(rf"({start})\S+", rf"\g<1>{value}", text)
    return text


@pytest.mark.parametrize("name", OFFERS)
def test_an_offer_reads_as_if_it_were_the_only_one(name: str) -> None:
    text = vector(name)
    rng = random.Random(name)
    for each in (text, text, of_another_viewer(text, rng), of_another_viewer(text, rng), text):
        assert outcome(read_offer, each) == outcome(parse_offer, each)


def test_viewers_with_the_same_browser_share_what_is_the_same() -> None:
    text = vector("chromium")
    first = read_offer(text)
    second = read_offer(of_another_viewer(text, random.Random(1)))
    assert second.media is first.media
    assert (second.ufrag, second.pwd, second.fingerprints) != (first.ufrag, first.pwd, first.fingerprints)


def test_lines_of_one_offer_may_differ_in_their_values() -> None:
    text = vector("chromium")
    *_, last = re.finditer(r"a=ice-ufrag:\S+", text)
    for each in (
        text[: last.start()] + "a=ice-ufrag:other" + text[last.end() :],
        text[: last.start()] + "a=ice-ufrag:w0\x0b" + text[last.end() :],
        text.replace("a=mid:0", "a=fingerprint:sha-512 00:00\r\na=mid:0"),
        text.replace("a=mid:0", "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\na=mid:0"),
    ):
        assert outcome(read_offer, each) == outcome(parse_offer, each)


def test_a_complaint_is_about_what_came() -> None:
    text = vector("chromium").replace("a=setup:actpass", "a=setup:perhaps")
    with pytest.raises(WireError, match="malformed 'a=setup:perhaps'"):
        read_offer(text)


def test_bent_offers_read_alike() -> None:
    rng = random.Random(7)
    texts = [vector(name) for name in OFFERS]
    for _ in range(150):
        lines = rng.choice(texts).splitlines(keepends=True)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(lines))
            kind = rng.randrange(3)
            if kind == 0:
                del lines[at]
            elif kind == 1:
                lines.insert(at, rng.choice(lines))
            else:
                place = rng.randrange(len(lines[at]))
                lines[at] = lines[at][:place] + rng.choice("w0: \t\r\n\x0b/=é") + lines[at][place + 1 :]
        text = "".join(lines)
        assert outcome(read_offer, text) == outcome(parse_offer, text)


def test_what_is_kept_has_a_bound() -> None:
    text = vector("chromium")
    for number in range(80):
        read_offer(text.replace("s=-", f"s={number}"))
    assert offers._parse_shape.cache_info().currsize <= 64
    long = text + "a=x-unknown:1\r\n" * 2000
    before = offers._parse_shape.cache_info().misses
    assert read_offer(long) == parse_offer(long)
    crowded = text + "".join(f"a=ice-ufrag:{number}\r\n" for number in range(100))
    assert outcome(read_offer, crowded) == outcome(parse_offer, crowded)
    assert offers._parse_shape.cache_info().misses == before
