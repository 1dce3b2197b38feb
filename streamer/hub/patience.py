"""How long somebody who wants to watch waits for a stream to be there."""

from __future__ import annotations

from streamer.hub.stream import State, Stream

# For the first keyframe of somebody who just began, for a source being fetched, as a camera takes up to 10 s
# to start. The player waits longer: ANSWER_TIMEOUT_MS in web/static/js/offer.js.
_PATIENCE_S = 5.0
_PULL_PATIENCE_S = 12.0


async def wait_until_watchable(stream: Stream) -> None:
    """Wait until a viewer can start, where there is something to wait for.

    Raises:
        NotLive: it did not happen in time; says what the source is doing.
        NoSuchStream: it is not configured any more.
    """
    if stream.ready:
        return
    if stream.config.on_demand or stream.is_elsewhere:
        await stream.wait_ready(_PULL_PATIENCE_S)
    elif stream.state is State.LIVE:
        await stream.wait_ready(_PATIENCE_S)
    else:
        await stream.wait_ready(0)
