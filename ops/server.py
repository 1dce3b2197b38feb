"""The composition root: builds everything, owns every task, takes it all down again."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from auth.audit.entries import Event
from auth.tokens.tokens import SERVER
from ops.certificates.https import Https, taken
from ops.components.administration import administration
from ops.components.engagement import Engagement
from ops.components.housekeeping import Housekeeping
from ops.components.platforms import PlatformDesk
from ops.components.publishers import Publishers
from ops.components.relays import make_relays
from ops.components.signin import SignIn
from ops.identity.identity import Guard, Identity, make_state_folder, open_identity
from ops.metrics.audience import AudienceMetrics
from ops.metrics.door import DoorCollector
from ops.metrics.present import PresentCollector
from ops.metrics.recordings import RecordingCollector
from ops.metrics.registry import make_registry
from ops.metrics.relays import RelayCollector
from ops.process.differences import changed_keys
from ops.process.health import LoopLag, SendDelay
from ops.process.logs import Redactor
from ops.process.memory import Trimmer, heap_trim, spare_the_collector
from ops.process.node import node_name
from ops.process.possession import possession
from ops.process.reload import Reloader
from ops.process.signals import Signals
from ops.process.supervisor import Supervisor
from streamer.config import Config
from streamer.egress.hls import HlsEgress
from streamer.egress.readers import AllReaders
from streamer.egress.rtsp import RtspEgress
from streamer.egress.srt import SrtEgress
from streamer.egress.webrtc import WebRtcEgress
from streamer.hub.registry import Registry
from streamer.recording.keys import open_keys
from streamer.recording.recordings import Recordings
from streamer.sections.base import split_address
from streamer.sections.signing_in import SignInConfig
from streamer.web.access import Access
from streamer.web.analytics import analytics
from streamer.web.app import COMMON_FIELDS, make_app
from streamer.web.connections import ConnectionsFace
from streamer.web.elsewhere import Elsewhere
from streamer.web.express import ExpressSite
from streamer.web.hls import Hls
from streamer.web.hls_express import HlsExpress
from streamer.web.ledger import Ledger
from streamer.web.limited import limited
from streamer.web.origin import parse_networks
from streamer.web.pages import Pages
from streamer.web.privacy import Privacy
from streamer.web.readers import Readers
from streamer.web.recordings import RecordingsFace
from streamer.web.relays import RelaysFace
from streamer.web.status import Status
from streamer.web.streams import Streams
from streamer.web.viewers import Viewers
from streamer.web.whep import Whep
from streamer.web.whip import Whip
from transport.errors import LinkError
from transport.plane import PlaneOptions, bind_sockets, open_plane
from transport.plane.events import PlaneEvents
from transport.webrtc.candidates import interface_addresses, local_candidates

if TYPE_CHECKING:
    from ops.components.edges import Edges

_log = logging.getLogger(__name__)

# SIGTERM to exit: supervisors wait 10 s, ours promises 5.
_DRAIN_S = 3.0
# Of it, for the last viewing sessions to reach the database; else they wait on disk.
_KEEP_S = 0.5


class Server:
    """One running server.

    Args:
        config: what to run.
        path: the file behind it, watched for changes; None to watch nothing.
        redactor: learns the secrets of each configuration.
    """

    def __init__(self, config: Config, path: Path | None = None, redactor: Redactor | None = None) -> None:
        self.config = config
        # What runs of the tables that are read at the start only.
        self._begun = config
        self._path = path
        self._redactor = redactor or Redactor()
        self._stop = asyncio.Event()
        self._ready = False
        self.registry = Registry()
        self.started = asyncio.Event()
        self._supervisor = Supervisor()

    def stop(self) -> None:
        """Ask `run` to drain and return."""
        self._stop.set()

    async def run(self, *companions: Callable[[], Awaitable[None]]) -> None:
        """Serve until `stop`, SIGTERM or SIGINT.

        Args:
            companions: coroutines to run beside the server, cancelled when it stops.

        Raises:
            LinkError: a port cannot be had; says which.
            ConfigError: the state directory cannot be made, or is another server's.
            OSError: what is in it cannot be used.
            DatabaseError: the database cannot be used.
            AuthError: what is in it cannot be used, with this master key for example.
        """
        # First: a newer server must not bring the database up to date under one that runs.
        async with possession(make_state_folder(self.config)):
            identity = await open_identity(self.config)
            try:
                await self._open(identity, *companions)
            finally:
                await identity.close()

    async def _open(self, identity: Identity, *companions: Callable[[], Awaitable[None]]) -> None:
        guard = Guard(identity, self.config.auth)
        self.platforms = PlatformDesk(self.config.platforms, identity)
        self.relays = make_relays(
            self.config.platforms,
            self.registry,
            identity,
            self.platforms.broadcasts,
            self._redactor.add,
            node_name(self.config.state.dir),
        )
        try:
            self.engagement = Engagement(self.config, identity, self._streams, self._platform_viewers)
            await self._run(identity, guard, *companions)
        finally:
            await self.platforms.close()
            await guard.close()

    async def _run(
        self, identity: Identity, guard: Guard, *companions: Callable[[], Awaitable[None]]
    ) -> None:
        config = self.config
        self._audit = guard.audit
        self._guard = guard
        signin = SignIn(identity, guard, config)
        self._redactor.know_config(config)
        self._https = Https(config.http, config.state.dir)
        host, port = split_address(config.webrtc.listen)
        try:
            udp, tcp = bind_sockets(host, port, interface_addresses(host))
        except LinkError as error:
            raise LinkError(error.reason, f"webrtc.listen: {error}") from None
        options = PlaneOptions(
            threads=config.webrtc.threads,
            ipsec_mb=config.webrtc.cipher == "auto",
            playout_delay_min_ms=config.webrtc.playout_delay_min_ms,
            playout_delay_max_ms=config.webrtc.playout_delay_max_ms,
        )
        plane = open_plane(udp, tcp, options)
        candidates = await local_candidates(
            (split_address(config.webrtc.listen)[0], udp[0].getsockname()[1]), config.webrtc.advertise
        )
        events = PlaneEvents(plane)
        egress = WebRtcEgress(plane, events, config.webrtc, candidates)
        self.egress = egress
        self.hls = HlsEgress(config.hls)
        folder = config.recording.folder(config.state.dir)
        async with identity.engine.begin() as connection:
            keys = await open_keys(connection, identity.vault, identity.clock())
        self.recordings = Recordings(self.registry, config.recording, folder, keys)
        self.engagement.follow(egress, self.hls)
        self.registry.on_change += [egress.stream_changed, self.recordings.stream_changed]
        self.registry.on_remove.append(egress.stream_removed)
        self.registry.on_remove.append(self.hls.stream_removed)
        publishers = Publishers(config, self.registry, guard, plane, events, candidates)
        secret = config.cluster.secret
        self.readers = SrtEgress(
            self.registry,
            guard.door,
            config.srt.max_readers,
            secret.get_secret_value() if secret is not None else None,
        )
        self.players = RtspEgress(self.registry, guard.door, config.rtsp.max_readers, guard.rates.login)
        edges = self._make_edges()
        runner: web.AppRunner | None = None
        lag = LoopLag()
        delay = SendDelay(plane.send_delays)
        try:
            self.registry.apply(config.streams)
            self.recordings.apply()
            publishers.listen(self.readers, self.players, self._https.context)
            await self.engagement.start()
            runner = await self._serve_http(egress, publishers, identity, guard, signin, lag, delay)
            self._announce(egress, publishers)
            await self._tell_setup_link(signin)
            trimmer = Trimmer(lambda: egress.released + self.registry.renditions_ended, heap_trim())
            await self._work(
                (
                    self.registry.run,
                    guard.run,
                    signin.run,
                    self.platforms.run,
                    Housekeeping(identity, signin.sessions, config.audit).run,
                    self._https.run,
                    lag.run,
                    delay.run,
                    trimmer.run,
                    self._supervisor.run,
                    egress.run,
                    self.hls.run,
                    self.recordings.run,
                    self.engagement.run,
                    self.relays.run,
                    *((edges.run,) if edges is not None else ()),
                    *companions,
                )
            )
        finally:
            self._ready = False
            await egress.drain("the server is stopping", _DRAIN_S)
            await self.hls.close("the server is stopping")
            await publishers.whip.close("the server is stopping", _DRAIN_S)
            await self.engagement.close(_KEEP_S)
            if runner is not None:
                await runner.cleanup()
            await signin.close()
            await self._https.close()
            self.players.close("the server is stopping")
            await publishers.stop_listening()
            if edges is not None:
                await edges.close()
            await asyncio.to_thread(self.readers.close, "the server is stopping")
            await publishers.close()
            await self.recordings.close()
            await egress.close()
            events.close()
            await asyncio.to_thread(plane.close)
            _log.info("stopped")

    async def _work(self, works: tuple[Callable[[], Awaitable[None]], ...]) -> None:
        signals = Signals(self.stop)
        try:
            async with asyncio.TaskGroup() as group:
                background = [group.create_task(_run(work)) for work in works]
                if self._path is not None:
                    reloader = Reloader(self._path, self._apply)
                    signals.on_hang_up(lambda: self._hang_up(reloader))
                    group.create_task(reloader.run(self._stop, self.config))
                spare_the_collector()
                self._ready = True
                self.started.set()
                self._supervisor.ready()
                await self._stop.wait()
                self._ready = False
                self._supervisor.stopping()
                for task in background:
                    task.cancel()
        finally:
            signals.close()

    def _make_edges(self) -> Edges | None:
        """What this machine shares of its streams with others; None where it is alone."""
        config = self.config
        if config.cluster.secret is None or config.redis.url is None:
            return None
        # Here, as few have a Redis, and what talks to it is long to import.
        from ops.components.edges import Edges

        return Edges(
            config.redis.url.get_secret_value(),
            config.cluster,
            config.srt.options,
            node_name(config.state.dir),
            self.registry,
        )

    def _hang_up(self, reloader: Reloader) -> None:
        self._https.reload()
        reloader.reload()

    async def _serve_http(
        self,
        egress: WebRtcEgress,
        publishers: Publishers,
        identity: Identity,
        guard: Guard,
        signin: SignIn,
        lag: LoopLag,
        delay: SendDelay,
    ) -> web.AppRunner:
        access = Access(guard.door)
        ledger = Ledger(guard.audit)
        prometheus = make_registry(self.registry, egress, lag.take_worst)
        readers = AllReaders(self.readers, self.players)
        what = "Who reads now, over SRT or RTSP"
        prometheus.register(
            PresentCollector(self.registry, "streamer_readers", what, lambda: readers.readers)
        )
        what = "Who watches now, over HLS"
        prometheus.register(
            PresentCollector(self.registry, "streamer_hls_viewers", what, lambda: self.hls.viewers)
        )
        prometheus.register(RecordingCollector(self.registry, self.recordings))
        prometheus.register(RelayCollector(self.relays))
        prometheus.register(DoorCollector(guard))
        prometheus.register(
            AudienceMetrics(self.engagement, lambda: [stream.name for stream in self.registry])
        )
        pages = Pages(self.config.http.frame_ancestors, self.registry.expect)
        app = make_app(
            (
                Streams(
                    self.registry,
                    egress,
                    self.hls,
                    access,
                    ledger,
                    recordings=self.recordings,
                    srt_port=publishers.srt_address[1],
                ),
                Viewers(self.registry, egress, self.hls, access, ledger),
                Readers(self.registry, readers, access, ledger),
                RecordingsFace(self.registry, self.recordings.library, access, ledger),
                Status(
                    egress,
                    access,
                    loop_lag_s=lambda: lag.seconds,
                    send_delay_ms=delay.percentile_ms,
                    ready=lambda: self._ready,
                    prometheus=prometheus,
                    tls=self._https.describe,
                ),
                Whep(self.registry, egress, access, self.engagement.welcome),
                Whip(self.registry, publishers.whip, access),
                *self._over_http(access),
                pages,
                self._connecting(access),
                *signin.faces(),
                *administration(
                    identity,
                    guard,
                    access,
                    ledger,
                    sessions=signin.sessions,
                    origin=self.config.http.origin,
                ),
                RelaysFace(
                    self.relays,
                    self.registry,
                    access,
                    guard.audit.record,
                    self.platforms.connections,
                ),
                *analytics(self.registry, access, self.engagement.insight),
                Privacy(access, self.engagement.people),
                Elsewhere(),
            ),
            cors_origins=self.config.http.cors_origins,
            trusted_proxies=parse_networks(self.config.http.trusted_proxies),
            middlewares=(limited(guard.rates), signin.middleware, pages.for_people),
            hsts=self._https.context is not None,
        )
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        host, port = split_address(self.config.http.listen)
        try:
            await ExpressSite(
                runner,
                host,
                port,
                express=HlsExpress(self.hls),
                fields=app[COMMON_FIELDS],
                tls=self._https.context,
            ).start()
        except OSError as error:
            await runner.cleanup()
            raise taken("http.listen", self.config.http.listen, error) from None
        self.http_address: tuple[str, int] = runner.addresses[0][:2]
        try:
            await self._https.start(self.http_address[1])
        except LinkError:
            await runner.cleanup()
            raise
        return runner

    def _over_http(self, access: Access) -> tuple[Hls, ...]:
        is_offered = self.config.hls.enabled
        return (Hls(self.registry, self.hls, access, self.engagement.welcome),) if is_offered else ()

    def _connecting(self, access: Access) -> ConnectionsFace:
        return ConnectionsFace(self.platforms.connections, access, self.config.http.origin)

    def _apply(self, config: Config) -> None:
        """Take a changed configuration; streams that did not change are not touched."""
        for section in sorted(Config.model_fields.keys() - {"streams", "auth"}):
            if getattr(config, section) != getattr(self._begun, section):
                _log.warning("[%s] changed; that takes effect at the next start", section)
        for key in SignInConfig.model_fields:
            if getattr(config.auth, key) != getattr(self._begun.auth, key):
                _log.warning("auth.%s changed; that takes effect at the next start", key)
        self._redactor.know_config(config)
        self.registry.apply(config.streams)
        self.recordings.apply()
        self._guard.apply(config.auth)
        changed = changed_keys(self.config, config)
        self.relays.apply()
        self.config = config
        self._audit.note(Event(SERVER, "configuration.apply", details={"changed": changed}))
        _log.info("configuration applied: %d streams", len(config.streams))

    def _streams(self) -> list[tuple[str, bool]]:
        """All streams, and whether they are published to this machine."""
        return [(stream.name, stream.own_publisher is not None) for stream in self.registry]

    def _platform_viewers(self, stream: str) -> dict[str, int]:
        """Who watches a stream at the platforms it is relayed to, where they tell."""
        return {
            relay.destination.name: relay.health.viewers
            for relay in self.relays
            if relay.stream.name == stream and relay.health is not None and relay.health.viewers is not None
        }

    def _http_url(self, host: str) -> str:
        return f"{self._https.scheme}://{f'[{host}]' if ':' in host else host}:{self.http_address[1]}"

    async def _tell_setup_link(self, signin: SignIn) -> None:
        token = await signin.setup.issue()
        if token is None:
            return
        host = self.http_address[0]
        if ipaddress.ip_address(host).is_unspecified:
            # Nobody can open that, least of all on another machine. The first is IPv4 where there is any.
            host = next(iter(interface_addresses(split_address(self.config.http.listen)[0] or "::")), host)
        # To the terminal, never through the log: a log is kept and copied.
        link = f"{self.config.http.origin or self._http_url(host)}/setup#{token}"
        told = f"\nNobody administers this server yet. Open this link within a day to begin:\n  {link}\n\n"
        with suppress(OSError):  # a full disk; the next start makes another link
            sys.stderr.write(told)
            sys.stderr.flush()

    def _announce(self, egress: WebRtcEgress, publishers: Publishers) -> None:
        _log.info("%s/ serves the pages, the API, WHEP and WHIP", self._http_url(self.http_address[0]))
        publishers.announce()
        _log.info("WebRTC candidates: %s", ", ".join(egress.candidates))
        _log.info("media plane: %s, cipher by %s", egress.plane.name, egress.plane.cipher)


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    await work()
