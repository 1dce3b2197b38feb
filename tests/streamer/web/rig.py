"""The application over a fake plane, with an HTTP client."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import prometheus_client
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from auth.factors.passwords import Passwords
from auth.permissions.actions import Action
from auth.permissions.grants import NewGrant, add_grant
from auth.permissions.limits import Limits
from auth.permissions.principals import Kind
from auth.tokens.tokens import SERVER, TokenOrder, implied
from ops.components.administration import administration
from ops.components.platforms import PlatformDesk
from ops.components.relays import make_relays
from ops.components.signin import SignIn
from ops.identity.identity import Guard, open_identity
from ops.metrics.registry import make_registry
from ops.metrics.relays import RelayCollector
from streamer.config import parse
from streamer.egress.hls import HlsEgress
from streamer.egress.readers import AllReaders
from streamer.egress.srt import SrtEgress
from streamer.hub.registry import Registry
from streamer.hub.stream import Publication, Publisher, Stream
from streamer.ingest.whip import WhipIngest
from streamer.recording.keys import open_keys
from streamer.recording.recordings import Recordings
from streamer.web.access import Access
from streamer.web.app import COMMON_FIELDS, make_app
from streamer.web.connections import ConnectionsFace
from streamer.web.elsewhere import Elsewhere
from streamer.web.express import Express, ExpressSite
from streamer.web.hls import Hls
from streamer.web.hls_express import HlsExpress
from streamer.web.ledger import Ledger
from streamer.web.limited import limited
from streamer.web.models import CertificateModel
from streamer.web.origin import parse_networks
from streamer.web.pages import Pages
from streamer.web.readers import Readers
from streamer.web.recordings import RecordingsFace
from streamer.web.relays import RelaysFace
from streamer.web.status import Status
from streamer.web.streams import Streams
from streamer.web.viewers import Viewers
from streamer.web.whep import Whep
from streamer.web.whip import Whip
from tests.auth.rig import CHEAP
from tests.fakes.units import AAC, H264, picture, sound
from tests.rigs.databases import make_empty, sqlite_url
from tests.streamer.egress.webrtc.rig import CANDIDATES, CHROMIUM, Rig
from transport.media import Track

KEY, PASSPHRASE = "key-of-the-encoder", "correct horse battery"
PASSWORD = "password-of-the-camera"
SECRETS = (KEY, PASSPHRASE, PASSWORD)
STREAMS: dict[str, Any] = {
    "cam": {"public": True, "title": "Camera", "publish_key": KEY, "passphrase": PASSPHRASE},
    "closed": {"publish_key": KEY},
    "door": {"source": f"rtsp://admin:{PASSWORD}@192.0.2.1/1?password={PASSWORD}"},
    "far": {"source": f"srt://192.0.2.1:9000?passphrase={PASSPHRASE}&streamid=publish:x:{KEY}"},
}
SDP = {"Content-Type": "application/sdp"}


class _Server(TestServer):
    """The application, at a port as the program has it."""

    def __init__(self, app: web.Application, express: Express) -> None:
        super().__init__(app)
        self._express = express

    async def start_server(self, **options: Any) -> None:
        await super().start_server(**options)
        assert isinstance(self.runner, web.AppRunner)
        fields = self.app[COMMON_FIELDS]
        site = ExpressSite(self.runner, "127.0.0.1", 0, express=self._express, fields=fields)
        await site.start()
        self.port = self.runner.addresses[-1][1]
        self._root = self._root.with_port(self.port)


class WebRig(Rig):
    """Use within an event loop; `open` before anything else.

    Attributes:
        admin: headers of an administrator.
        token: the token in them.
        ready: what /readyz says.
        tls: what the API says about the certificate.
    """

    client: TestClient[web.Request, web.Application]

    def __init__(
        self,
        state_dir: Path,
        *,
        origins: tuple[str, ...] = ("*",),
        proxies: tuple[str, ...] = (),
        hsts: bool = False,
        ancestors: tuple[str, ...] = ("*",),
        clock: Callable[[], float] = time.time,
        settings: Mapping[str, Any] | None = None,
        **config: object,
    ) -> None:
        super().__init__(**config)
        self.clock = clock
        self.registry = Registry()
        self.registry.on_change.append(self.egress.stream_changed)
        self.registry.on_remove.append(self.egress.stream_removed)
        self.registry.apply(parse({"streams": STREAMS}).streams)
        self.stream = self.registry.find("cam")
        self.ready = True
        self.tls = CertificateModel(
            source="", state="off", names=[], issuer="", not_after=None, next_attempt=None, last_error=""
        )
        self._options: dict[str, Any] = {
            "cors_origins": origins,
            "trusted_proxies": parse_networks(proxies),
            "hsts": hsts,
        }
        self._ancestors = ancestors
        self._config = parse({"state": {"dir": state_dir}, **(settings or {})})

    async def open(self) -> None:
        await _place_database(self._config.state.dir)
        self.identity = await open_identity(self._config, self.clock)
        self.identity.passwords = Passwords(self.identity.engine, CHEAP, clock=self.clock)
        self.guard = Guard(self.identity)
        self.signin = SignIn(self.identity, self.guard, self._config)
        self.platforms = PlatformDesk(self._config.platforms, self.identity)
        self._following = asyncio.create_task(self.guard.run())
        self.admin = self.bearer(*implied([Action.ADMIN]), lifetime_s=3600.0)
        self.token = self.admin["Authorization"].removeprefix("Bearer ")
        access = Access(self.guard.door)
        ledger = Ledger(self.guard.audit)
        self.prometheus: prometheus_client.CollectorRegistry = make_registry(
            self.registry, self.egress, lambda: 0.125
        )
        whep = Whep(self.registry, self.egress, access)
        self.whip = WhipIngest(self.plane, self.events, CANDIDATES)
        self.relays = make_relays(
            self._config.platforms,
            self.registry,
            self.identity,
            self.platforms.broadcasts,
            lambda secret: None,
            "one",
        )
        self.prometheus.register(RelayCollector(self.relays))
        self._relaying = asyncio.create_task(self.relays.run())
        record, connections = self.guard.audit.record, self.platforms.connections
        relaying = RelaysFace(self.relays, self.registry, access, record, connections)
        pages = Pages(self._ancestors)
        self.readers = SrtEgress(self.registry, self.guard.door, 10)
        self.hls = HlsEgress(self._config.hls)
        self.registry.on_remove.append(self.hls.stream_removed)
        folder = self._config.recording.folder(self._config.state.dir)
        async with self.identity.engine.begin() as connection:
            keys = await open_keys(connection, self.identity.vault, self.clock())
        self.recordings = Recordings(self.registry, self._config.recording, folder, keys, clock=self.clock)
        self.registry.on_change.append(self.recordings.stream_changed)
        self.recordings.apply()
        faces = (
            Streams(
                self.registry,
                self.egress,
                self.hls,
                access,
                ledger,
                recordings=self.recordings,
                srt_port=8890,
            ),
            Viewers(self.registry, self.egress, self.hls, access, ledger),
            Readers(self.registry, AllReaders(self.readers), access, ledger),
            RecordingsFace(self.registry, self.recordings.library, access, ledger),
            Status(
                self.egress,
                access,
                loop_lag_s=lambda: 0.25,
                send_delay_ms=lambda share: 2.0 * share,
                ready=lambda: self.ready,
                prometheus=self.prometheus,
                tls=lambda: self.tls,
            ),
            whep,
            Whip(self.registry, self.whip, access),
            Hls(self.registry, self.hls, access),
            pages,
            ConnectionsFace(self.platforms.connections, access, self._config.http.origin),
            relaying,
            *self.signin.faces(),
            *administration(self.identity, self.guard, access, ledger, sessions=self.signin.sessions),
            Elsewhere(),
        )
        middlewares = (limited(self.guard.rates), self.signin.middleware, pages.for_people)
        self.app = make_app(faces, middlewares=middlewares, **self._options)
        self.client = TestClient(_Server(self.app, HlsExpress(self.hls)))
        await self.client.start_server()

    async def close(self) -> None:
        await self.client.close()
        await self.whip.close("the test is over", 5.0)
        await self.hls.close("the test is over")
        await self.recordings.close()
        await self.signin.close()
        for task in (self._following, self._relaying):
            task.cancel()
            await asyncio.wait({task})
        await self.platforms.close()
        await self.guard.close()
        await self.identity.close()
        await super().close()

    def bearer(
        self, *actions: Action, stream: str = "*", lifetime_s: float = 60.0, **limits: Any
    ) -> dict[str, str]:
        """Headers with a new token."""
        order = TokenOrder(frozenset(actions), (stream,), lifetime_s, limits=Limits.of(**limits))
        authority = self.identity.authority
        issued = authority.tokens.issue(authority.snapshot.ring, order, self.identity.clock())
        return {"Authorization": f"Bearer {issued.token}"}

    async def api_key(self, action: Action, stream: str) -> tuple[dict[str, str], str]:
        """Headers with a new service account's key, and the key's prefix."""
        identity = self.identity
        robot = await identity.accounts.create(Kind.SERVICE, "robot")
        async with identity.engine.begin() as connection:
            await add_grant(connection, NewGrant(robot.id, action, stream, SERVER), identity.clock())
        issued = await identity.api_keys.issue(robot.id)
        await identity.authority.refresh()
        return {"Authorization": f"Bearer {issued.key}"}, issued.prefix

    def publish_to(self, name: str, video: Track | None = H264, audio: Track | None = AAC) -> Publication:
        stream: Stream = self.registry.find(name)
        publication = stream.publish(Publisher("one", "srt", "192.0.2.1:4000"))
        if video is not None:
            publication.write(picture(0.0, keyframe=True, track=video))
        if audio is not None:
            publication.write(sound(0.0, track=audio))
        return publication

    async def answer(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, data: Any = None
    ) -> tuple[int, Mapping[str, str], str]:
        """Status, headers, text."""
        async with self.client.request(method, path, headers=headers, data=data) as response:
            return response.status, response.headers, await response.text()

    async def raw(self, method: str, path: str, headers: Mapping[str, bytes], body: str = "") -> int:
        """The status for a request with headers that no client would send."""
        port = self.client.port
        assert port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: x", b"Connection: close"]
        lines += [name.encode() + b": " + value for name, value in headers.items()]
        lines += [b"Content-Length: %d" % len(body.encode()), b"", body.encode()]
        writer.write(b"\r\n".join(lines))
        answer = await reader.read()
        writer.close()
        return int(answer.split()[1])

    async def json(self, path: str, *, headers: Mapping[str, str] | None = None) -> Any:
        async with self.client.get(path, headers=headers) as response:
            return await response.json()

    async def watch(self, name: str = "cam") -> tuple[Mapping[str, str], str]:
        """Join over WHEP: headers and the answer."""
        status, headers, text = await self.answer("POST", f"/whep/{name}", headers=SDP, data=CHROMIUM)
        assert status == 201, text
        return headers, text


#: A database that is up to date: it takes long to make, and is the same for every test.
_empty: list[bytes] = []


async def _place_database(state_dir: Path) -> None:
    path = state_dir / "streamer.db"
    if path.exists():
        return
    os.makedirs(state_dir, exist_ok=True)
    if not _empty:
        await make_empty(sqlite_url(path))
        _empty.append(path.read_bytes())
    path.write_bytes(_empty[0])
    path.chmod(0o600)
