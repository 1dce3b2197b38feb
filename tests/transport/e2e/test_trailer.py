"""What is sealed is opened by the `cryptography` library's other interface, not only by our own code."""

from __future__ import annotations

import threading

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.transport.e2e.frames import SETS, START, annexb, frame
from transport.e2e import ContentKey, FrameCipher, TrailerCipher
from transport.e2e.trailer import key_index
from transport.errors import WireError
from transport.media import AccessUnit, Codec, Track
from transport.media.annexb import split_annexb
from transport.rtp.depacketize import Depacketizer
from transport.rtp.header import RtpPacket
from transport.rtp.packetize import Packetizer
from transport.rtp.padding import strip

CODECS = [Codec.H264, Codec.H265, Codec.OPUS]
KEY_128, KEY_256 = ContentKey(7, bytes(range(16))), ContentKey(3, bytes(range(32)))
CAPTIONS = b"\x06\x04\x0bGoedenavond\x80"


def decrypted(key: ContentKey, aad: bytes, body: bytes) -> bytes:
    """Open `ciphertext | tag | IV | 12 | index` with the library's other interface."""
    assert body[-2:] == bytes((12, key.index))
    sealed, tag, iv = body[:-30], body[-30:-14], body[-14:-2]
    cipher = Cipher(algorithms.AES(key.secret), modes.GCM(iv, tag)).decryptor()
    cipher.authenticate_additional_data(aad)
    return cipher.update(sealed) + cipher.finalize()


def over_rtp(codec: Codec, data: bytes) -> bytes:
    """Through our packetizer and back."""
    track = Track(id=1, codec=codec, clock_rate=90_000)
    unit = AccessUnit(track, 0, 0, data, keyframe=True, received_at=0.0)
    payloads = Packetizer(1160).packetize(unit)
    depacketizer = Depacketizer(codec)
    for seq, payload in enumerate(payloads):
        last = seq == len(payloads) - 1
        packet = RtpPacket(payload_type=96, seq=seq, timestamp=0, ssrc=1, marker=last, payload=strip(payload))
        if (assembled := depacketizer.push(packet)) is not None:
            assert last
            return assembled.data
    raise AssertionError("nothing came out")


class TestLayout:
    @pytest.mark.parametrize("key", [KEY_128, KEY_256], ids=["AES-128", "AES-256"])
    def test_sound(self, key: ContentKey) -> None:
        sealed = TrailerCipher(key).seal(Codec.OPUS, b"\xfcsound")
        assert sealed[:1] == b"\xfc"
        assert len(sealed) == len(b"\xfcsound") + 16 + 12 + 2
        assert decrypted(key, b"\xfc", sealed[1:]) == b"sound"

    @pytest.mark.parametrize("key", [KEY_128, KEY_256], ids=["AES-128", "AES-256"])
    def test_a_picture(self, key: ContentKey) -> None:
        sets = annexb(*SETS[Codec.H264])
        clear, rest = sets + START + b"\x65\x88\x84", b"first" + START + b"\x65\x40second\x80"
        sealed = TrailerCipher(key).seal(Codec.H264, clear + rest)
        assert sealed.startswith(clear)
        body = sealed[len(clear) :].replace(b"\0\0\3", b"\0\0")
        assert decrypted(key, b"\x65\x88\x84", body) == rest

    def test_it_says_what_it_is(self) -> None:
        cipher: FrameCipher = TrailerCipher(KEY_128)
        assert (cipher.format, cipher.algorithm, cipher.key) == ("gcm-trailer", "AES-128-GCM", KEY_128)
        assert TrailerCipher(KEY_256).algorithm == "AES-256-GCM"
        assert key_index(Codec.OPUS, TrailerCipher(KEY_128).seal(Codec.OPUS, b"\xfc")) == 7

    def test_nothing_of_the_frame_shows(self) -> None:
        text = b"no byte of the picture may be seen by whoever lacks the key"
        data = annexb(CAPTIONS, b"\x65\x88\x84" + text, b"\x65\x88\x85" + text)
        sealed = TrailerCipher(KEY_256).seal(Codec.H264, data)
        assert b"picture" not in sealed
        assert b"Goedenavond" not in sealed


class TestRoundTrip:
    @pytest.mark.parametrize("codec", CODECS)
    def test_over_rtp_it_is_the_same_frame(self, codec: Codec) -> None:
        for index in range(1, 16):
            cipher = TrailerCipher(ContentKey(index, bytes(32)))
            for seed in range(index * 40, index * 40 + 40):
                data = frame(codec, seed)
                assert cipher.open(codec, over_rtp(codec, cipher.seal(codec, data))) == data

    @pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
    def test_a_sealed_picture_is_one_slice_and_has_no_start_code_inside(self, codec: Codec) -> None:
        cipher = TrailerCipher(KEY_256)
        for seed in range(600):
            sealed = cipher.seal(codec, frame(codec, seed))
            sets = SETS[codec] if seed % 3 == 0 else ()
            *before, last = split_annexb(sealed)
            assert tuple(before) == sets
            assert sealed == annexb(*sets, last)
            assert not any(bytes((0, 0, byte)) in last for byte in (0, 1, 2))
            assert last[-1] != 0

    @pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
    def test_a_sequence_parameter_set_that_was_rewritten_on_the_way(self, codec: Codec) -> None:
        cipher = TrailerCipher(KEY_256)
        data = frame(codec, 3)
        first = SETS[codec][0]
        rewritten = cipher.seal(codec, data).replace(first, first + b"\x11")
        assert cipher.open(codec, rewritten) == data.replace(first, first + b"\x11")


class TestRefusals:
    @pytest.mark.parametrize("codec", CODECS)
    def test_another_key(self, codec: Codec) -> None:
        sealed = TrailerCipher(KEY_256).seal(codec, frame(codec, 5))
        with pytest.raises(WireError, match="does not open"):
            TrailerCipher(ContentKey(KEY_256.index, bytes(32))).open(codec, sealed)
        with pytest.raises(WireError, match="under key 3, this is key 4"):
            TrailerCipher(ContentKey(4, KEY_256.secret)).open(codec, sealed)

    @pytest.mark.parametrize("codec", CODECS)
    def test_one_changed_bit(self, codec: Codec) -> None:
        cipher = TrailerCipher(KEY_256)
        sealed = cipher.seal(codec, frame(codec, 4))
        for at in (len(sealed) - 3, len(sealed) - 20, len(sealed) - 31):
            changed = bytearray(sealed)
            changed[at] ^= 0x40
            with pytest.raises(WireError):
                cipher.open(codec, bytes(changed))

    def test_a_changed_clear_byte(self) -> None:
        cipher = TrailerCipher(KEY_256)
        sealed = cipher.seal(Codec.OPUS, b"\xfcsound")
        with pytest.raises(WireError, match="does not open"):
            cipher.open(Codec.OPUS, b"\xfd" + sealed[1:])

    @pytest.mark.parametrize("codec", CODECS)
    def test_a_frame_that_is_not_sealed(self, codec: Codec) -> None:
        for seed in range(100):
            with pytest.raises(WireError):
                TrailerCipher(KEY_256).open(codec, frame(codec, seed))

    @pytest.mark.parametrize("data", [b"", b"\x09\x10", START + b"\x67\x42"])
    def test_a_picture_without_a_slice_is_not_sealed(self, data: bytes) -> None:
        with pytest.raises(WireError, match="without a slice"):
            TrailerCipher(KEY_256).seal(Codec.H264, data)


class TestNonces:
    @staticmethod
    def iv(sealed: bytes) -> bytes:
        return sealed[-14:-2]

    def test_no_two_frames_share_one_whatever_the_thread(self) -> None:
        cipher = TrailerCipher(KEY_256)
        seen: list[set[bytes]] = []
        start = threading.Barrier(4)

        def seal() -> None:
            start.wait()
            seen.append({self.iv(cipher.seal(Codec.OPUS, b"\xfc")) for _ in range(5000)})

        threads = [threading.Thread(target=seal) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set().union(*seen)) == 20_000

    def test_it_counts_behind_a_random_part(self) -> None:
        cipher, other = TrailerCipher(KEY_256), TrailerCipher(KEY_256)
        first, second = (self.iv(cipher.seal(codec, frame(codec, 2))) for codec in (Codec.OPUS, Codec.OPUS))
        assert first[:4] == second[:4]
        assert int.from_bytes(second[4:], "big") == int.from_bytes(first[4:], "big") + 1
        # 32 random bits: this fails once in four thousand million runs.
        assert self.iv(other.seal(Codec.OPUS, b"\xfc"))[:4] != first[:4]
