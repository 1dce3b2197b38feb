"""FLV tags made once for all the relays of a stream.

Fifty relays are given the same units. What is in a tag does not depend on where it goes; only its header,
with the time, does. So the bodies of the last few units are kept, cut into chunks already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from transport.media import AccessUnit
from transport.rtmp import flv
from transport.rtmp.session import CHUNK_BYTES, CHUNK_STREAMS
from transport.rtmp.wire import MessageType, split_body

# Relays of one stream take a unit within one turn of the event loop; this is for a hundred streams.
_KEPT = 256


@dataclass(frozen=True, slots=True)
class Tag:
    """One unit as an RTMP message.

    Attributes:
        kind: AUDIO or VIDEO.
        body: of the message.
        pieces: the same in chunks, without the first header; see `wire.split_body`.
    """

    kind: MessageType
    body: bytes = field(repr=False)
    pieces: Sequence[bytes] = field(repr=False)


class TagMemory:
    """The tags of the last few units. Event loop only."""

    def __init__(self) -> None:
        # By identity: comparing units would compare their bytes. Holding the unit keeps its identity its own.
        self._tags: dict[int, tuple[AccessUnit, Tag]] = {}

    def tag(self, unit: AccessUnit) -> Tag:
        """The unit's tag, made on the first call."""
        known = self._tags.get(id(unit))
        if known is not None:
            return known[1]
        if len(self._tags) >= _KEPT:
            del self._tags[next(iter(self._tags))]
        kind = MessageType.VIDEO if unit.track.is_video else MessageType.AUDIO
        body = flv.tag_body(unit)
        tag = Tag(kind, body, split_body(body, CHUNK_STREAMS[kind], CHUNK_BYTES))
        self._tags[id(unit)] = (unit, tag)
        return tag


#: Of this process. Only a memory: forgetting everything would cost nothing but time.
TAGS = TagMemory()
