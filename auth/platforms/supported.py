"""The platforms that accounts can be connected to."""

from __future__ import annotations

from auth.platforms.facebook import FacebookLogin
from auth.platforms.login import PlatformLogin
from auth.platforms.twitch import TwitchLogin
from auth.platforms.youtube import YouTubeLogin

#: In the order in which pages show them.
LOGINS: tuple[type[PlatformLogin], ...] = (YouTubeLogin, FacebookLogin, TwitchLogin)
