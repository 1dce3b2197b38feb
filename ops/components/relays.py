"""Relays, put together: what they push with, which platforms they know, the still picture they share."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from ops.identity.identity import Identity
from streamer.hub.registry import Registry
from streamer.hub.stream import Stream
from streamer.relay.destination import Destination, Platform
from streamer.relay.keeper import MemoryKeeper
from streamer.relay.look import Look
from streamer.relay.platforms.broadcast import Broadcast, Ingest
from streamer.relay.platforms.custom import CustomBroadcast
from streamer.relay.platforms.platforms import Platforms
from streamer.relay.relay import Tools
from streamer.relay.relays import Relays
from streamer.sections.platforms import PlatformsConfig
from transport.media.still import Still, make_still
from transport.output import Push, PushOptions
from transport.push import push_to

# Each is some hundred kilobytes and takes a moment to make; streams differ in size more than relays do.
_MAX_STILLS = 16


def make_relays(
    config: PlatformsConfig,
    registry: Registry,
    identity: Identity,
    platforms: Platforms,
    conceal: Callable[[str], None],
    node: str,
) -> Relays:
    """All relays of a server. On its event loop.

    Args:
        config: of the platforms.
        registry: the streams.
        identity: the database, and what opens secrets in it.
        platforms: where accounts are connected.
        conceal: is told stream keys, which no log may show.
        node: this machine's name.
    """

    def open_broadcast(destination: Destination, stream: Stream) -> Broadcast:
        settings = destination.settings
        if settings.platform is Platform.CUSTOM:
            return CustomBroadcast(settings.url, destination.key.get_secret_value())
        return platforms.open(settings.platform, settings.account, destination.announcement(stream.config))

    def open_push(destination: Destination, ingest: Ingest, options: PushOptions) -> Push:
        if destination.settings.platform is not Platform.CUSTOM:
            ca_file = getattr(config, destination.settings.platform).ingest_ca_file
            options = replace(options, ca_file=str(ca_file or ""))
        url = srt_url(destination, ingest.url) if ingest.url.startswith("srt:") else ingest.url
        return push_to(url, ingest.key, options)

    def tools(keeper: MemoryKeeper) -> Tools:
        return Tools(
            open_push,
            open_broadcast,
            Stills().make,
            keeper.note,
            keeper.claim,
            node,
            conceal,
            identity.clock,
        )

    return Relays(registry, identity.engine, identity.vault, tools, identity.clock, node)


class Stills:
    """Still pictures, made once for all relays that need the same one."""

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[Look, Path | None], asyncio.Future[Still]] = OrderedDict()

    async def make(self, look: Look, image: Path | None) -> Still:
        """The still picture of this look.

        Raises:
            WireError: it cannot be made.
        """
        key = (look, image)
        making = self._made.get(key)
        if making is None:
            work = asyncio.to_thread(make_still, look.codec, look.width, look.height, look.rate, image)
            self._made[key] = making = asyncio.ensure_future(work)
            if len(self._made) > _MAX_STILLS:
                self._made.popitem(last=False)
        try:
            return await asyncio.shield(making)
        except BaseException:
            if making.done():
                self._made.pop(key, None)
            raise


def srt_url(destination: Destination, url: str) -> str:
    """The address with what was said beside it; what it says itself counts."""
    settings, passphrase = destination.settings, destination.passphrase
    said = urlsplit(url).query
    more = {"latency": str(settings.latency_ms)}
    if passphrase is not None:
        more |= {"passphrase": passphrase.get_secret_value(), "pbkeylen": str(settings.pbkeylen)}
    added = urlencode(
        {name: value for name, value in more.items() if f"{name}=" not in said}, quote_via=quote
    )
    return f"{url}{'&' if said else '?'}{added}" if added else url
