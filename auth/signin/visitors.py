"""Where somebody comes from, and as little of that as lists of sessions need."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

# First match counts: most browsers name others that they want to be taken for.
_BROWSERS = (
    ("Edge", r"Edg(e|A|iOS)?/"),
    ("Opera", r"OPR/|Opera"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrom(e|ium)/|CriOS/"),
    ("Safari", r"Safari/"),
    ("curl", r"^curl/"),
)
_SYSTEMS = (
    ("iOS", r"iPhone|iPad|iPod"),
    ("Android", r"Android"),
    ("ChromeOS", r"CrOS"),
    ("Windows", r"Windows"),
    ("macOS", r"Mac OS X|Macintosh"),
    ("Linux", r"Linux|X11"),
)
_LOOKED_AT_CHARACTERS = 512


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is at the other end of a request.

    Attributes:
        address: as the server sees it, after trusted proxies.
        agent: the User-Agent header.
    """

    address: str
    agent: str = ""

    @property
    def neighbourhood(self) -> str:
        """The address without what singles out a person: its /24, or /48 of IPv6; "" for none."""
        try:
            parsed = ipaddress.ip_address(self.address.partition("%")[0])
        except ValueError:
            return ""
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))

    @property
    def agent_family(self) -> str:
        """As people would say it, "Firefox on Linux"; no versions."""
        text = self.agent[:_LOOKED_AT_CHARACTERS]
        browser = next((name for name, pattern in _BROWSERS if re.search(pattern, text)), "")
        system = next((name for name, pattern in _SYSTEMS if re.search(pattern, text)), "")
        return " on ".join(filter(None, (browser, system))) or "something else"
