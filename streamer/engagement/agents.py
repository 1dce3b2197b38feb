"""What a User-Agent header gives away, and no more of it than a class of device and a family of browsers.

Browsers freeze most of that header today, and what is left of it identifies nobody; versions are not even
looked at.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agent:
    """Attributes.

    device: "phone", "tablet", "desktop", "tv", "console", "program" or "other".
    browser: a family, such as "Firefox".
    """

    device: str
    browser: str


# The first that is found decides: everybody claims to be Mozilla, and most to be Chrome or Safari too.
_BROWSERS = (
    ("SamsungBrowser", "Samsung Internet"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("YaBrowser", "Yandex"),
    ("FxiOS", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS", "Chrome"),
    ("HeadlessChrome", "Chrome"),
    ("Chromium", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("AppleWebKit", "Safari"),
    ("GStreamer", "GStreamer"),
    ("OBS", "OBS"),
    ("Lavf", "FFmpeg"),
    ("VLC", "VLC"),
)
_OTHER_PROGRAM = "program"
#: What stands for the browser of the device "program", and of no other.
PROGRAMS = frozenset({"GStreamer", "OBS", "FFmpeg", "VLC", _OTHER_PROGRAM})
_DEVICES = (
    (
        ("SMART-TV", "SmartTV", "Tizen", "Web0S", "webOS", "BRAVIA", "AppleTV", "CrKey", "AFT", "GoogleTV"),
        "tv",
    ),
    (("PlayStation", "Xbox", "Nintendo"), "console"),
    (("iPad", "Tablet", "PlayBook", "Kindle"), "tablet"),
    (("iPhone", "iPod", "Windows Phone"), "phone"),
)
_DESKTOPS = ("Windows NT", "Macintosh", "X11", "CrOS", "Linux x86_64")


def recognise(user_agent: str) -> Agent:
    """Read a User-Agent header, whatever is in it."""
    browser = next((family for mark, family in _BROWSERS if mark in user_agent), "other")
    if browser in PROGRAMS:
        return Agent("program", browser)
    for marks, device in _DEVICES:
        if any(mark in user_agent for mark in marks):
            return Agent(device, browser)
    if "Android" in user_agent:
        # Google asks makers of tablets to leave "Mobile" out.
        return Agent("phone" if "Mobile" in user_agent else "tablet", browser)
    if any(mark in user_agent for mark in _DESKTOPS):
        return Agent("desktop", browser)
    if user_agent and "Mozilla" not in user_agent:
        return Agent("program", _OTHER_PROGRAM)
    return Agent("other", browser)
