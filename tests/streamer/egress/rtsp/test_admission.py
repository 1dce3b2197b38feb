"""Who may read over RTSP."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from auth.access.rates import Rate, RateLimiter
from auth.permissions.actions import Action
from tests.fakes.wait import wait_until
from tests.streamer.egress.rtsp.rig import MOST, Rig
from tests.transport.media.sources import picture_units
from tests.transport.rtmp.ingest import Authority
from transport.media import AccessUnit, Codec


@pytest.fixture(scope="module")
def pictures() -> list[AccessUnit]:
    return picture_units(Codec.H264, 10)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def rig(tmp_path: Path, authority: Authority, pictures: list[AccessUnit]) -> Iterator[Rig]:
    rig = Rig(tmp_path, authority.context("localhost"))
    for name in ("open", "private", "sealed", "secret"):
        rig.publish(name, *pictures)
    yield rig
    rig.close()


@pytest.fixture
def tls(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.file))


@pytest.mark.parametrize(
    ("path", "login", "status", "words"),
    [
        ("nowhere", "", 404, "no stream is called 'nowhere'"),
        ("plain", "", 404, "'plain' is not live: nobody publishes it"),
        ("private", "", 401, ""),
        ("private", "anna:password", 401, ""),
        ("private?token=rubbish", "", 401, ""),
        ("private?key=key", "", 401, ""),
        ("secret", "", 403, "end to end"),
        ("sealed", "", 403, "use rtsps://"),
    ],
)
def test_who_may_not(rig: Rig, path: str, login: str, status: int, words: str) -> None:
    answer = rig.describe(path, login=login)
    assert answer[0] == status
    assert words in answer[1]
    assert ("WWW-Authenticate: Basic" in answer[1]) is (status == 401)
    assert rig.egress.readers == []


@pytest.mark.parametrize("way", ["private?token={}", "private/trackID=0?token={}", "live/private?token={}"])
def test_a_token_in_the_address_lets_in(rig: Rig, way: str) -> None:
    assert rig.describe(way.format(rig.doorkeeper.token(Action.WATCH, "private")))[0] == 200
    (reader,) = rig.egress.readers
    assert reader.user.startswith("token ")


@pytest.mark.parametrize("login", ["anybody:{}", "{}:", ":{}"])
def test_a_token_in_the_place_of_the_password_lets_in(rig: Rig, login: str) -> None:
    token = rig.doorkeeper.token(Action.WATCH, "private")
    caller = rig.call()
    assert caller.ask("DESCRIBE", rig.url("private"))[0] == 401
    assert rig.describe("private", login=login.format(token))[0] == 200


def test_one_to_listen_or_publish_does_not(rig: Rig) -> None:
    for action in (Action.LISTEN, Action.PUBLISH):
        assert rig.describe(f"private?token={rig.doorkeeper.token(action, 'private')}")[0] == 403


def test_to_a_public_stream_a_token_that_does_not_count_is_no_hindrance(rig: Rig) -> None:
    for path, login in (("open?token=rubbish", ""), ("open", "anna:password")):
        assert rig.describe(path, login=login)[0] == 200
    assert [reader.user for reader in rig.egress.readers] == ["", ""]


def test_what_has_a_passphrase_is_read_over_tls_alone(rig: Rig, tls: ssl.SSLContext) -> None:
    token = rig.doorkeeper.token(Action.WATCH, "sealed", once=True)
    status, text = rig.describe(f"sealed?token={token}")
    assert (status, "use rtsps://" in text) == (403, True)
    assert rig.describe("sealed?token=rubbish")[0] == 401  # a stranger is not told what it demands
    # What was refused has not used it up.
    assert rig.describe(f"sealed?token={token}", tls=tls)[0] == 200
    (reader,) = rig.egress.readers
    assert (reader.encryption().key_state, reader.encryption().cipher) == ("secured", "AES-256")
    assert rig.describe(f"sealed?token={token}", tls=tls)[0] == 401


def test_nobody_is_asked_for_a_secret_in_the_clear_and_in_vain(rig: Rig) -> None:
    status, text = rig.describe("sealed")
    assert (status, "WWW-Authenticate" in text) == (403, False)


def test_who_was_let_in_may_ask_again_with_a_token_for_one_use(rig: Rig) -> None:
    token = rig.doorkeeper.token(Action.WATCH, "private", once=True)
    caller = rig.call()
    for _ in range(2):
        assert caller.ask("DESCRIBE", rig.url(f"private?token={token}"))[0] == 200
    assert rig.describe(f"private?token={token}")[0] == 401


def test_one_connection_may_ask_for_one_stream_after_the_other(rig: Rig) -> None:
    caller = rig.call()
    for name, status in (("open", 200), ("nowhere", 404), ("private", 401), ("plain", 404), ("open", 200)):
        assert caller.ask("DESCRIBE", rig.url(name))[0] == status
    (reader,) = rig.egress.readers
    assert reader.stream.name == "open"
    assert caller.ask("SETUP", rig.url("open/trackID=0"), Transport="RTP/AVP/TCP;unicast")[0] == 200


def test_there_is_a_limit_to_them(rig: Rig) -> None:
    for _ in range(MOST):
        assert rig.describe("open")[0] == 200
    status, text = rig.describe("open")
    assert (status, "3 read already (rtsp.max_readers)" in text) == (503, True)


def test_passwords_are_not_guessed_at_will(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.egress, "_knocks", RateLimiter(Rate(per_s=0.001, burst=1)))
    assert rig.describe("private", login="anna:password")[0] == 401
    assert rig.describe("private", login="anna:password")[0] == 503


def test_no_secret_in_the_log(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    token = rig.doorkeeper.token(Action.WATCH, "private")
    with caplog.at_level("DEBUG"):
        rig.describe(f"private?token={token}")
        rig.describe("private", login="anna:staple of horses")
        rig.describe("private?token=staple")
    assert "private: read by 127.0.0.1" in caplog.text
    assert all(secret not in caplog.text for secret in (token, "staple"))


def test_they_are_ended_when_their_leave_ends(rig: Rig) -> None:
    token = rig.doorkeeper.token(Action.WATCH, "private", lifetime_s=3.0)
    caller, _ = rig.playing(f"private?token={token}")
    assert caller.ends()
    wait_until(lambda: not rig.egress.readers, "the reader to leave")
