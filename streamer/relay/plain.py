"""An address and a key: a destination that needs nothing else, seen as a platform."""

from __future__ import annotations

from streamer.relay.destination import Destination
from streamer.relay.platforms.broadcast import Health, HealthState, Ingest, Traits

# Nobody is asked; this is only how often nobody is.
_AGAIN_S = 3600.0
_TRAITS = Traits(name="custom", needs_audio=False, needs_video=False, has_health=False)


class AddressBroadcast:
    """A broadcast that begins when something is pushed and ends with it."""

    id = ""
    traits = _TRAITS

    def __init__(self, destination: Destination) -> None:
        self._ingest = Ingest(destination.settings.url, destination.key.get_secret_value())

    async def prepare(self) -> Ingest:
        """Nothing to prepare."""
        return self._ingest

    async def resume(self, id: str) -> Ingest:
        """The address is all there is."""
        return self._ingest

    async def went_live(self) -> None:
        """Nobody to tell."""

    async def health(self) -> Health:
        """Nobody to ask."""
        return Health(HealthState.UNKNOWN, again_s=_AGAIN_S)

    async def end(self) -> None:
        """The connection's end ends it."""
