from __future__ import annotations

from auth.permissions.actions import Action
from auth.permissions.protocols import PROTOCOLS, Protocol


def test_every_action_has_its_protocols() -> None:
    assert PROTOCOLS.keys() == set(Action)
    assert all(PROTOCOLS[action] for action in Action)


def test_media_does_not_administer() -> None:
    media = {Protocol.SRT, Protocol.RTSP, Protocol.RTMP, Protocol.WHIP, Protocol.WHEP, Protocol.HLS}
    for action in (Action.MANAGE, Action.ADMIN, Action.AUDIT):
        assert not PROTOCOLS[action] & media
