"""Where what is told of audiences comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamer.engagement.audience import Audience, Live
from streamer.engagement.beacons import Beacons
from streamer.engagement.collector import Collector
from streamer.engagement.disclosure import Disclosure
from streamer.engagement.queries import Queries


@dataclass(frozen=True)
class Insight:
    """What is known of audiences.

    Attributes:
        live: every stream's audience now, on all machines.
        unique_today: different viewers of a stream today; None when that is not known.
        platform_viewers: who watches a stream elsewhere, by relay.
    """

    audience: Audience
    collector: Collector
    queries: Queries
    beacons: Beacons
    disclosure: Disclosure
    live: Callable[[], dict[str, Live]]
    unique_today: Callable[[str], int | None] = lambda stream: None
    platform_viewers: Callable[[str], dict[str, int]] = lambda stream: {}
