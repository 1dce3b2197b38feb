"""What an offer has, in words for a log and for whoever was refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from transport.errors import WireError
from transport.webrtc.wire import OfferedMedia

# They carry nothing by themselves.
_HELPERS = ("rtx", "red", "ulpfec", "flexfec-03", "cn", "telephone-event")


@dataclass(frozen=True, slots=True)
class Offered:
    """What somebody could take, or send: ("VP8", "H264 42e01f"), ("opus",)."""

    video: tuple[str, ...]
    audio: tuple[str, ...]

    @classmethod
    def by(cls, media: Iterable[OfferedMedia]) -> Offered:
        """The formats of these m-lines."""
        lines = tuple(media)

        def words(kind: str) -> tuple[str, ...]:
            names = (
                f"{item.name} {item.parameters.get('profile-level-id', '')}".rstrip()
                for line in lines
                if line.kind == kind
                for item in line.formats
                if item.name.lower() not in _HELPERS
            )
            return tuple(dict.fromkeys(names))

        return cls(words("video"), words("audio"))

    def __str__(self) -> str:
        return ", ".join(self.video + self.audio) or "nothing"


class NoCommonCodec(WireError):
    """The viewer cannot be sent what the stream has.

    Attributes:
        offered: what the viewer could take.
        stream: what the stream has, in words.
    """

    def __init__(self, offered: Offered, stream: str, why: str) -> None:
        super().__init__(f"no common codec: the stream is {stream}, the viewer takes {offered}; {why}")
        self.offered = offered
        self.stream = stream


class NoUsableCodec(WireError):
    """The publisher sends nothing that can be taken.

    Attributes:
        offered: what the publisher could send.
    """

    def __init__(self, offered: Offered, expected: str) -> None:
        super().__init__(f"no common codec: the publisher sends {offered}; expected {expected}")
        self.offered = offered
