"""Any server by its address and key: nothing is asked of it, and it tells nothing."""

from __future__ import annotations

from streamer.relay.platforms.broadcast import Health, HealthState, Ingest, Traits

TRAITS = Traits("Custom", needs_audio=False, needs_video=False, has_health=False)


class CustomBroadcast:
    """Pushing is all there is to it.

    Args:
        url: where to.
        key: a secret; "" for none.
        backup_url: another; "" for none.
    """

    traits = TRAITS

    def __init__(self, url: str, key: str = "", backup_url: str = "") -> None:
        self._ingest = Ingest(url, key, backup_url, broadcast_id="custom")
        self.id = "custom"

    async def prepare(self) -> Ingest:
        """As configured."""
        return self._ingest

    async def resume(self, id: str) -> Ingest:
        """As configured."""
        return self._ingest

    async def went_live(self) -> None:
        """Nobody to tell."""

    async def health(self) -> Health:
        """Nobody to ask."""
        return Health(HealthState.UNKNOWN, again_s=3600.0)

    async def end(self) -> None:
        """It ends with the push."""
