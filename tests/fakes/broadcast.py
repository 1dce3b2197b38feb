"""A platform that says what a test wants and counts what it is asked."""

from __future__ import annotations

from streamer.relay.platforms.broadcast import Health, HealthState, Ingest, Traits
from streamer.relay.platforms.errors import PlatformError

KEY = "stream-key-of-the-broadcast"


class FakePlatform:
    """All broadcasts of one platform.

    Attributes:
        url: where it wants the media; changed by tests.
        health: what it says.
        refuses: what it raises when asked to prepare; `refuses_to_resume` and `refuses_to_end` likewise.
        over: broadcasts that somebody ended there; only `went_live` and `resume` tell.
        prepared, resumed, ended: ids, in the order they were.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.health = Health(HealthState.GOOD, viewers=7, again_s=0.1)
        self.refuses: PlatformError | None = None
        self.refuses_to_resume: PlatformError | None = None
        self.refuses_to_end: PlatformError | None = None
        self.over: set[str] = set()
        self.prepared: list[str] = []
        self.resumed: list[str] = []
        self.live: list[str] = []
        self.ended: list[str] = []

    def open(self) -> FakeBroadcast:
        return FakeBroadcast(self)


class FakeBroadcast:
    traits = Traits("Fake")

    def __init__(self, platform: FakePlatform) -> None:
        self._platform = platform
        self.id = ""

    async def prepare(self) -> Ingest:
        if self._platform.refuses is not None:
            raise self._platform.refuses
        self.id = f"broadcast-{len(self._platform.prepared)}"
        self._platform.prepared.append(self.id)
        return self._ingest()

    async def resume(self, id: str) -> Ingest:
        if self._platform.refuses_to_resume is not None:
            raise self._platform.refuses_to_resume
        if id in self._platform.ended or id in self._platform.over or id not in self._platform.prepared:
            raise PlatformError("over", "the broadcast is over")
        self.id = id
        self._platform.resumed.append(id)
        return self._ingest()

    async def went_live(self) -> None:
        if self.id in self._platform.over:
            raise PlatformError("over", "the broadcast is over")
        self._platform.live.append(self.id)

    async def health(self) -> Health:
        return self._platform.health

    async def end(self) -> None:
        if self._platform.refuses_to_end is not None:
            raise self._platform.refuses_to_end
        self._platform.ended.append(self.id)

    def _ingest(self) -> Ingest:
        return Ingest(self._platform.url, KEY, broadcast_id=self.id, watch_url="https://watch.example/1")
