import random

import pytest

from tests.vectors import rfc5769
from transport.errors import WireError
from transport.plane import stun


def test_the_request_of_rfc_5769() -> None:
    message = stun.parse(rfc5769.REQUEST)
    assert message.message_type == stun.BINDING_REQUEST
    assert message.transaction_id == rfc5769.TRANSACTION_ID
    assert message.username == "evtj:h6vY"
    assert message.has_fingerprint and not message.use_candidate
    assert message.attributes[stun.PRIORITY] == bytes.fromhex("6e0001ff")
    assert stun.ICE_CONTROLLED in message.attributes
    assert message.is_signed_with(rfc5769.PASSWORD)
    assert not message.is_signed_with("another")


@pytest.mark.parametrize(
    ("wire", "address"),
    [
        (rfc5769.IPV4_RESPONSE, ("192.0.2.1", 32853)),
        (rfc5769.IPV6_RESPONSE, ("2001:db8:1234:5678:11:2233:4455:6677", 32853)),
    ],
)
def test_the_responses_of_rfc_5769(wire: bytes, address: stun.Address) -> None:
    message = stun.parse(wire)
    assert message.message_type == stun.BINDING_SUCCESS
    assert message.xor_mapped_address == address
    assert message.is_signed_with(rfc5769.PASSWORD)
    assert stun.xor_address(address, message.transaction_id) == message.attributes[stun.XOR_MAPPED_ADDRESS]


def test_an_answer_tells_the_address_and_is_signed() -> None:
    request = stun.parse(rfc5769.REQUEST)
    answer = stun.parse(stun.binding_success(request, ("10.0.0.9", 5000), "secret"))
    assert answer.xor_mapped_address == ("10.0.0.9", 5000)
    assert answer.transaction_id == request.transaction_id
    assert answer.is_signed_with("secret") and answer.has_fingerprint


def test_a_refusal_carries_its_code() -> None:
    request = stun.parse(rfc5769.REQUEST)
    assert stun.parse(stun.binding_error(request, 400)).error_code == 400
    role_conflict = stun.parse(stun.binding_error(request, 487, "secret"))
    assert role_conflict.message_type == stun.BINDING_ERROR
    assert role_conflict.error_code == 487 and role_conflict.is_signed_with("secret")


def test_any_changed_bit_is_noticed() -> None:
    for bit in range(8 * len(rfc5769.REQUEST)):
        wire = bytearray(rfc5769.REQUEST)
        wire[bit // 8] ^= 1 << bit % 8
        try:
            message = stun.parse(bytes(wire))
        except WireError:
            continue
        # Only a fingerprint that became another attribute passes; the signature is untouched then.
        assert not message.has_fingerprint


def test_what_follows_the_signature_does_not_count() -> None:
    signed = stun.serialize(stun.BINDING_REQUEST, bytes(12), {stun.USERNAME: b"a:b"}, "secret")
    without_fingerprint = signed[:-8]
    appended = bytes.fromhex("00250000")
    wire = bytearray(without_fingerprint + appended)
    wire[2:4] = (len(wire) - 20).to_bytes(2, "big")
    message = stun.parse(bytes(wire))
    assert not message.use_candidate and message.is_signed_with("secret")


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        rfc5769.REQUEST[:-4],
        b"\xc0" + rfc5769.REQUEST[1:],
        bytes.fromhex("00010004 2112a442") + bytes(12) + bytes.fromhex("00060005"),
    ],
)
def test_what_is_not_stun_is_refused(wire: bytes) -> None:
    with pytest.raises(WireError):
        stun.parse(wire)


@pytest.mark.parametrize("value", ["00", "0003a147e112a643", "0001a147e112", "0002a147e112a643"])
def test_a_malformed_address_is_refused(value: str) -> None:
    message = stun.parse(
        stun.serialize(stun.BINDING_SUCCESS, bytes(12), {stun.XOR_MAPPED_ADDRESS: bytes.fromhex(value)})
    )
    with pytest.raises(WireError):
        _ = message.xor_mapped_address


def test_noise_raises_nothing_but_wire_errors() -> None:
    rng = random.Random(2)
    parsed = 0
    for _ in range(20_000):
        words = rng.randrange(12)
        body = rng.choice((rng.randbytes(4 * words), (b"\0\x06\0\x03abc\0" * 6)[: 4 * words]))
        wire = b"\0\1" + (4 * words).to_bytes(2, "big") + bytes.fromhex("2112a442") + rng.randbytes(12) + body
        try:
            stun.parse(wire)
            parsed += 1
        except WireError:
            pass
    assert parsed > 100
