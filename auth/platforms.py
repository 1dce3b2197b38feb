"""The platforms that accounts can be connected to."""

from __future__ import annotations

from auth.platform_facebook import FacebookLogin
from auth.platform_login import PlatformLogin
from auth.platform_twitch import TwitchLogin
from auth.platform_youtube import YouTubeLogin

#: In the order in which pages show them.
LOGINS: tuple[type[PlatformLogin], ...] = (YouTubeLogin, FacebookLogin, TwitchLogin)
