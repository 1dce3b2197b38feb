from __future__ import annotations

import random

import pytest

from streamer.egress.webrtc.keyring import KeyRing
from transport.e2e import KEY_INDICES, FrameCipher
from transport.errors import WireError
from transport.media import Codec

START_S = 1000.0
ROTATE_S = 100.0
ANNOUNCED_S = 25.0


def ring(rotate_s: float = ROTATE_S, key_bytes: int = 32) -> KeyRing:
    return KeyRing(key_bytes, rotate_s, START_S)


def secrets_told(keys: KeyRing, now: float) -> set[bytes]:
    told = keys.keys(now)
    ciphers: list[FrameCipher] = [told.current, *told.previous]
    return {cipher.key.secret for cipher in (ciphers + ([told.next] if told.next else []))}


@pytest.mark.parametrize("key_bytes", [16, 32])
def test_keys_are_as_long_as_asked_for_and_all_different(key_bytes: int) -> None:
    keys = ring(key_bytes=key_bytes)
    seen = [keys.cipher(START_S + n * ROTATE_S).key for n in range(40)]
    assert {len(key.secret) for key in seen} == {key_bytes}
    assert len({key.secret for key in seen}) == 40
    assert {key.index for key in seen} <= set(KEY_INDICES)


def test_the_next_is_announced_before_it_is_used() -> None:
    keys = ring()
    first = keys.cipher(START_S)
    assert keys.keys(START_S + ROTATE_S - ANNOUNCED_S - 0.1).next is None
    announced = keys.keys(START_S + ROTATE_S - ANNOUNCED_S).next
    assert announced is not None
    assert announced.key.index != first.key.index
    assert keys.cipher(START_S + ROTATE_S - 0.1) is first
    assert keys.cipher(START_S + ROTATE_S) is announced


def test_when_to_ask_again() -> None:
    keys = ring()
    told = keys.keys(START_S + 10)
    assert (told.rotates_in_s, told.ask_again_in_s, told.ask_within_s) == (90, 65, ANNOUNCED_S)
    # Whoever has been told the next need not ask until the one after it.
    told = keys.keys(START_S + 80)
    assert (told.rotates_in_s, told.ask_again_in_s) == (20, 95)


def test_a_long_time_between_rotations_does_not_make_a_long_announcement() -> None:
    assert ring(rotate_s=3600.0).keys(START_S).ask_within_s == 60.0


def test_keys_of_the_recent_past_are_told_to_who_joins_in_a_gop_of_then() -> None:
    keys = ring()
    first = keys.cipher(START_S)
    assert keys.keys(START_S + ROTATE_S).previous == (first,)
    assert keys.keys(START_S + ROTATE_S + 99).previous == (first,)
    # Remembered for two minutes, while the second has gone as well.
    assert first not in keys.keys(START_S + ROTATE_S + 121).previous


def test_nobody_asked_for_long() -> None:
    keys = ring()
    first = keys.cipher(START_S)
    late = START_S + 50 * ROTATE_S + 3
    assert keys.cipher(late) is not first
    assert keys.keys(late).rotates_in_s == ROTATE_S


class TestRevocation:
    def test_what_the_removed_viewer_was_told_opens_nothing_afterwards(self) -> None:
        keys = ring()
        at = START_S + ROTATE_S - 5  # the next one is announced
        told = keys.keys(at)
        assert told.next is not None
        keys.revoke(at)
        after = keys.cipher(at)
        sealed = after.seal(Codec.OPUS, b"\xfcsound")
        for known in (told.current, told.next, *told.previous):
            with pytest.raises(WireError):
                known.open(Codec.OPUS, sealed)
        assert keys.cipher(at).open(Codec.OPUS, sealed) == b"\xfcsound"
        assert keys.keys(at).current is after

    def test_the_schedule_starts_anew(self) -> None:
        keys = ring()
        keys.revoke(START_S + 60)
        after = keys.cipher(START_S + 60)
        assert keys.keys(START_S + 60).rotates_in_s == ROTATE_S
        assert keys.cipher(START_S + 159) is after

    def test_many_at_once_cost_a_key_a_second(self) -> None:
        keys = ring()
        at = START_S + 10
        used = set()
        for _ in range(500):
            keys.revoke(at)
            used.add(keys.cipher(at).key.secret)
            at += 0.01
        used.add(keys.cipher(at + 1).key.secret)
        assert 5 <= len(used) <= 7

    def test_the_last_of_many_knows_nothing_that_is_used_later(self) -> None:
        keys = ring()
        keys.revoke(START_S + 10)
        known = secrets_told(keys, START_S + 10.5)
        keys.revoke(START_S + 10.5)
        # This one takes over in half a second: others may know it before, the removed may not.
        assert keys.cipher(START_S + 10.9).key.secret in known
        assert keys.cipher(START_S + 11).key.secret not in known


def test_all_names_told_at_once_differ() -> None:
    chance = random.Random(7)
    keys, now = ring(rotate_s=10.0), START_S
    for _ in range(2000):
        now += chance.choice((0.1, 0.5, 1.0, 3.0, 11.0))
        if chance.random() < 0.5:
            keys.revoke(now)
        told = keys.keys(now)
        names = [cipher.key.index for cipher in (told.current, *told.previous)]
        names += [told.next.key.index] if told.next else []
        assert len(names) == len(set(names))
