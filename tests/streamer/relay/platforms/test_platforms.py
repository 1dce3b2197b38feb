from __future__ import annotations

import pytest

from streamer.relay.platforms.broadcast import Announcement
from streamer.relay.platforms.errors import NeedsReconnect, PlatformError
from streamer.relay.platforms.platforms import traits_of
from tests.streamer.relay.platforms.rig import TOLD, Stage


def test_what_platforms_demand() -> None:
    assert traits_of("facebook").max_duration_s == 8 * 3600
    assert all(traits_of(name).needs_audio for name in ("youtube", "facebook", "twitch"))
    assert not traits_of("custom").needs_audio
    with pytest.raises(PlatformError, match="expected custom, facebook, twitch, youtube"):
        traits_of("vimeo")


async def test_what_cannot_be_opened(stage: Stage) -> None:
    with pytest.raises(PlatformError, match="no platform"):
        stage.platforms.open("vimeo", "x", TOLD)
    with pytest.raises(PlatformError, match="needs a title"):
        stage.platforms.open("youtube", "x", Announcement("  "))


@pytest.mark.parametrize("platform", ["youtube", "facebook", "twitch"])
async def test_a_connection_that_is_gone(stage: Stage, platform: str) -> None:
    with pytest.raises(NeedsReconnect, match="was disconnected"):
        await stage.platforms.open(platform, "gone", TOLD).prepare()
