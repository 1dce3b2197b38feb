import pytest

from tests.vectors import rfc5769
from transport.errors import WireError
from transport.plane import stun
from transport.plane.ice import IceLite

ADDRESS = ("192.0.2.7", 4000)


def request(ufrag: str = "ours", pwd: str | None = "secret", **more: bytes) -> bytes:
    attributes = {stun.USERNAME: f"{ufrag}:theirs".encode()}
    attributes |= {getattr(stun, name.upper()): value for name, value in more.items()}
    return stun.serialize(stun.BINDING_REQUEST, b"transaction!", attributes, pwd)


def agent() -> IceLite[str]:
    ice: IceLite[str] = IceLite()
    ice.add("ours", "secret", "viewer", now=0.0)
    return ice


def error_of(reply: bytes | None) -> int | None:
    assert reply is not None
    return stun.parse(reply).error_code


def test_a_signed_check_proves_the_address_and_is_answered() -> None:
    verdict = agent().check(request(use_candidate=b"", priority=bytes(4)), ADDRESS, now=1.0)
    assert verdict.owner == "viewer" and verdict.nominated
    assert verdict.reply is not None
    answer = stun.parse(verdict.reply)
    assert answer.xor_mapped_address == ADDRESS and answer.is_signed_with("secret")


def test_priority_and_role_may_be_missing() -> None:
    verdict = agent().check(request(), ADDRESS, now=1.0)
    assert verdict.owner == "viewer" and not verdict.nominated


def test_another_password_is_401_and_proves_nothing() -> None:
    verdict = agent().check(request(pwd="guessed"), ADDRESS, now=1.0)
    assert verdict.owner is None and error_of(verdict.reply) == 401


def test_no_signature_is_400() -> None:
    verdict = agent().check(request(pwd=None), ADDRESS, now=1.0)
    assert verdict.owner is None and error_of(verdict.reply) == 400


def test_no_fingerprint_is_400() -> None:
    wire = bytearray(request()[:-8])
    wire[2:4] = (len(wire) - 20).to_bytes(2, "big")
    verdict = agent().check(bytes(wire), ADDRESS, now=1.0)
    assert verdict.owner is None and error_of(verdict.reply) == 400


def test_a_controlled_peer_is_told_of_the_conflict() -> None:
    verdict = agent().check(request(ice_controlled=bytes(8)), ADDRESS, now=1.0)
    assert verdict.owner is None and error_of(verdict.reply) == 487


def test_a_stranger_is_not_answered() -> None:
    with pytest.raises(WireError, match="unknown"):
        agent().check(request("somebody"), ADDRESS, now=1.0)


def test_answers_and_indications_are_not_answered() -> None:
    verdict = agent().check(rfc5769.IPV4_RESPONSE, ADDRESS, now=1.0)
    assert verdict.reply is None and verdict.owner is None


def test_former_credentials_stay_good_for_thirty_seconds() -> None:
    ice = agent()
    ice.add("second", "secret2", "viewer", now=100.0)
    assert ice.check(request("second", "secret2"), ADDRESS, now=100.0).owner == "viewer"
    assert ice.check(request(), ADDRESS, now=129.9).owner == "viewer"
    with pytest.raises(WireError):
        ice.check(request(), ADDRESS, now=130.0)
    assert ice.check(request("second", "secret2"), ADDRESS, now=1000.0).owner == "viewer"


def test_only_two_generations_are_kept() -> None:
    ice = agent()
    for n in range(5):
        ice.add(f"more{n}", "secret", "viewer", now=1.0)
    assert len(ice) == 2
    ice.remove("viewer")
    assert len(ice) == 0


def test_a_fragment_belongs_to_one_viewer() -> None:
    ice = agent()
    with pytest.raises(ValueError, match="in use"):
        ice.add("ours", "other", "somebody else", now=1.0)
    ice.remove("viewer")
    ice.add("ours", "other", "somebody else", now=1.0)
    assert ice.check(request(pwd="other"), ADDRESS, now=1.0).owner == "somebody else"
