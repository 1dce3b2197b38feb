"""What is known of one viewing session besides its counters, and what is kept of it when it is over."""

from __future__ import annotations

from dataclasses import dataclass

#: What is counted for each session, and summed for each stream; seconds, bytes and numbers.
COUNTED = (
    "watch_s",
    "bytes",
    "packets",
    "lost",
    "retransmitted",
    "nacks",
    "plis",
    "frozen_s",
    "freezes",
    "decoded",
    "dropped",
    "audible_s",
    "visible_s",
    "rtt_ms_s",
    "rtt_s",
    "jitter_ms_s",
    "buffer_ms_s",
)
COLUMN = {name: column for column, name in enumerate(COUNTED)}

#: By what an audience is broken down.
DIMENSIONS = ("protocol", "device", "browser", "country", "region")


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody who was let in.

    Attributes:
        session: names the session, unlike any other of any machine.
        at: seconds since 1970 when it was asked for.
        viewer: his pseudonym of the day, hexadecimal; "" for who must not be followed.
        account: id of the account, "" for anonymous viewers.
        network: his address without its last part.
    """

    session: str
    stream: str
    at: float
    protocol: str
    viewer: str = ""
    account: str = ""
    network: str = ""
    device: str = "other"
    browser: str = "other"
    country: str = ""
    region: str = ""

    def fields(self) -> dict[str, str | float]:
        """What makes another one like it."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def hash(self) -> int:
        """Of the viewer, for counting."""
        return int(self.viewer[:16], 16)


@dataclass(frozen=True, slots=True)
class Report:
    """What a player said about the session so far; totals that only grow, but for the last four.

    Attributes:
        first_frame_ms: from asking to the first picture.
        buffer_ms: mean delay in the jitter buffer.
    """

    watch_s: float = 0.0
    frozen_s: float = 0.0
    freezes: int = 0
    decoded: int = 0
    dropped: int = 0
    audible_s: float = 0.0
    visible_s: float = 0.0
    first_frame_ms: float | None = None
    buffer_ms: float | None = None
    width: int = 0
    height: int = 0
