"""Who comes when somebody publishes already: a stream has one publisher, and who comes second is refused.

But an encoder that lost its way comes again before the server has missed it, and what is fetched from another
machine is not the publisher proper. These give way.
"""

from __future__ import annotations

import time

from streamer.errors import AlreadyPublished
from streamer.hub.stream import Publication, Publisher, Stream

#: A publisher that sends nothing for so long is lost: a live transport stream has a clock every 0.1 s
#: (ISO 13818-1 section 2.7.2), whatever it shows, and a browser sends sound or reports.
SILENT_S = 2.0
# How long who gives way may take to end.
_ENDS_S, _LOOK_S = 2.0, 0.01


def may_be_taken(publisher: Publisher) -> bool:
    """Whether somebody else may take a publisher's place."""
    return publisher.is_edge or publisher.gives_way()


def take_place(stream: Stream, publisher: Publisher) -> Publication:
    """Publish, also in the place of who gives way. Not on the event loop: it may wait for that to end.

    Raises:
        AlreadyPublished: somebody publishes who does not give way, or did not end in time.
        NoSuchStream: the stream is not configured any more.
    """
    while True:
        try:
            return stream.publish(publisher)
        except AlreadyPublished:
            previous = stream.publisher
            if previous is not None and not (may_be_taken(previous) and _is_ended(stream, previous)):
                raise


def _is_ended(stream: Stream, previous: Publisher) -> bool:
    """End a publication; whether it did in time."""
    previous.stop()
    until = time.monotonic() + _ENDS_S
    while stream.publisher is previous and time.monotonic() < until:
        time.sleep(_LOOK_S)
    return stream.publisher is not previous
