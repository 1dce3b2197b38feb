"""The API: what is there, who watches, and ending sessions."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import importlib.metadata
import json
import random
import time
from collections.abc import Callable

import prometheus_client
from aiohttp import web
from pydantic import BaseModel

from auth.access.permit import Permit
from auth.permissions.protocols import Protocol
from streamer.egress.webrtc import NoSuchViewer, Viewer, WebRtcEgress
from streamer.hub.registry import Registry
from streamer.hub.stream import State, Stream
from streamer.web import models
from streamer.web.access import Access
from streamer.web.confidential import require_confidential
from streamer.web.ledger import Ledger
from streamer.web.operations import CONTENT_KEY_PATH, Operation, openapi
from streamer.web.origin import signalling
from streamer.web.problems import Problem
from streamer.web.thumbnails import Thumbnails
from transport.media import Track
from transport.rtsp import redact_url

# Of the time before a key is used in which players fetch it: the latest must have it before then.
_ASK_WITHIN_SHARE = 0.8


class Api:
    """The handlers.

    Args:
        loop_lag_s: the latest reading of the event loop's lag.
        send_delay_ms: from a unit's writing to the kernel, by share of the units.
        ready: whether the server takes viewers.
        prometheus: the registry that `/metrics` shows.
        srt_port: where encoders call, for the pages.
        tls: what HTTPS shows.
    """

    def __init__(
        self,
        registry: Registry,
        egress: WebRtcEgress,
        access: Access,
        ledger: Ledger,
        *,
        loop_lag_s: Callable[[], float],
        send_delay_ms: Callable[[float], float | None],
        ready: Callable[[], bool],
        prometheus: prometheus_client.CollectorRegistry,
        srt_port: int,
        tls: Callable[[], models.CertificateModel],
    ) -> None:
        self._registry = registry
        self._egress = egress
        self._access = access
        self._ledger = ledger
        self._loop_lag_s = loop_lag_s
        self._send_delay_ms = send_delay_ms
        self._ready = ready
        self._prometheus = prometheus
        self._srt_port = srt_port
        self._tls = tls
        self._thumbnails = Thumbnails()
        self._since = time.monotonic()
        self.described: list[Operation] = []
        self._description: str | None = None

    def operations(self) -> list[Operation]:
        """What to route where."""
        closed = {401: "A token is needed", 403: "This token does not open it"}
        missing = {404: "No such stream"}
        return [
            Operation(
                "GET",
                "/api/v1/live",
                self.live,
                "The streams that the asker may watch, as the pages show them",
                returns=models.LiveModel,
                needs="watch",
            ),
            Operation(
                "GET",
                "/api/v1/streams",
                self.streams,
                "All streams that the asker manages",
                {200: "All streams", **closed},
                returns=models.StreamsModel,
                needs="manage",
            ),
            Operation(
                "GET",
                "/api/v1/streams/{name}",
                self.stream,
                "One stream: tracks, publisher with cipher and link statistics, viewers, warnings",
                {200: "The stream", **closed, **missing},
                returns=models.StreamModel,
                needs="manage",
            ),
            Operation(
                "GET",
                CONTENT_KEY_PATH,
                self.content_key,
                "The keys to decrypt a stream with, for those who may watch it",
                {
                    200: "The keys, and when to ask again",
                    **closed,
                    404: "No such stream, or it is not encrypted end to end",
                },
                returns=models.ContentKeysModel,
                needs="watch",
            ),
            Operation(
                "GET",
                "/api/v1/viewers",
                self.viewers,
                "All viewers of streams that the asker manages",
                {200: "All viewers", **closed},
                returns=models.ViewersModel,
                needs="manage",
            ),
            Operation(
                "DELETE",
                "/api/v1/viewers/{id}",
                self.kick,
                "End a viewer's session",
                {204: "Ended", **closed, 404: "No such viewer"},
                needs="manage",
            ),
            Operation(
                "GET",
                "/api/v1/server",
                self.server,
                "The server itself: version, media plane, cipher",
                {200: "The server", **closed},
                returns=models.ServerModel,
                needs="manage",
            ),
            Operation(
                "GET",
                "/thumbnails/{name}.jpg",
                self.thumbnail,
                "The latest keyframe as a JPEG",
                {200: "The picture", **closed, 404: "No such stream, or no picture yet"},
                content="image/jpeg",
                needs="watch",
            ),
            Operation(
                "GET", "/metrics", self.metrics, "Metrics for Prometheus", content="text/plain; version=0.0.4"
            ),
            Operation("GET", "/healthz", self.healthz, "The process works", returns=models.HealthModel),
            Operation(
                "GET",
                "/readyz",
                self.readyz,
                "The server takes viewers",
                {200: "It does", 503: "It is starting or stopping"},
                returns=models.HealthModel,
            ),
            Operation("GET", "/openapi.json", self.openapi, "This description"),
        ]

    async def live(self, request: web.Request) -> web.Response:
        """What the index page shows."""
        shown = [stream for stream in self._registry if self._access.may_play(request, stream)]
        return _json(
            models.LiveModel(
                streams=[self._live(stream) for stream in shown],
                srt_port=self._srt_port,
                signalling=signalling(request).description,
            )
        )

    async def streams(self, request: web.Request) -> web.Response:
        """All streams."""
        permit, shown = await self._managed(request)
        await self._ledger.looked(request, permit, "stream.list", count=len(shown))
        return _json(models.StreamsModel(streams=[self._stream(stream) for stream in shown]))

    async def stream(self, request: web.Request) -> web.Response:
        """One stream."""
        permit = await self._access.require_manage(request, request.match_info["name"])
        stream = self._registry.find(request.match_info["name"])
        # Its publisher's address is somebody's.
        await self._ledger.looked(request, permit, "stream.show", stream.name)
        return _json(self._stream(stream))

    async def content_key(self, request: web.Request) -> web.Response:
        """The content keys of a stream."""
        stream = self._registry.find(request.match_info["name"])
        await self._access.require_play(request, stream, Protocol.API)
        require_confidential(request, stream)
        ring = self._egress.ring(stream)
        if ring is None:
            raise Problem(404, "not_encrypted", f"{stream.name!r} is not encrypted end to end")
        keys = ring.keys(time.monotonic())
        shown = [(keys.current, "current")]
        shown += [(keys.next, "next")] if keys.next is not None else []
        shown += [(cipher, "previous") for cipher in keys.previous]
        model = models.ContentKeysModel(
            stream=stream.name,
            format=keys.current.format,
            algorithm=keys.current.algorithm,
            keys=[
                models.ContentKeyModel(
                    index=cipher.key.index, state=state, key=base64.b64encode(cipher.key.secret).decode()
                )
                for cipher, state in shown
            ],
            rotates_at=time.time() + keys.rotates_in_s,
            ask_again_s=keys.ask_again_in_s + random.uniform(0, _ASK_WITHIN_SHARE) * keys.ask_within_s,
        )
        return _json(model, {"Cache-Control": "no-store"})

    async def viewers(self, request: web.Request) -> web.Response:
        """All viewers."""
        permit, streams = await self._managed(request)
        names = {stream.name for stream in streams}
        shown = [viewer for viewer in self._egress.measured() if viewer.stream.name in names]
        await self._ledger.looked(request, permit, "viewer.list", count=len(shown))
        return _json(
            models.ViewersModel(
                viewers=[_viewer(viewer) for viewer in shown],
                failed=[
                    models.FailedViewerModel(**dataclasses.asdict(failed))
                    for failed in self._egress.failures
                    if failed.stream in names
                ],
            )
        )

    async def kick(self, request: web.Request) -> web.Response:
        """End a viewer's session."""
        try:
            viewer = self._egress.by_id(request.match_info["id"])
            permit = await self._access.require_manage(request, viewer.stream.name)
        except NoSuchViewer as error:
            # Only who manages everything learns who is not there.
            await self._access.require_manage(request, "")
            raise Problem(404, "no_such_viewer", str(error)) from None
        self._egress.remove(viewer, "ended by the administrator")
        await self._ledger.changed(request, permit, "viewer.kick", viewer.id, stream=viewer.stream.name)
        return web.Response(status=204)

    async def server(self, request: web.Request) -> web.Response:
        """The server itself."""
        await self._access.require_manage(request, "")
        return _json(
            models.ServerModel(
                version=importlib.metadata.version("streamer"),
                plane=self._egress.plane.name,
                plane_cipher=self._egress.plane.cipher,
                uptime_s=time.monotonic() - self._since,
                loop_lag_ms=self._loop_lag_s() * 1000,
                send_delay_p50_ms=self._send_delay_ms(0.5),
                send_delay_p99_ms=self._send_delay_ms(0.99),
                send_delay_max_ms=self._send_delay_ms(1.0),
                webrtc_candidates=self._egress.candidates,
                tls=self._tls(),
            )
        )

    async def thumbnail(self, request: web.Request) -> web.Response:
        """The latest keyframe."""
        stream = self._registry.find(request.match_info["name"])
        await self._access.require_watch(request, stream, Protocol.API)
        require_confidential(request, stream)
        picture = await self._thumbnails.picture(stream)
        if picture is None:
            raise Problem(404, "no_picture", f"{stream.name!r} has shown no picture yet")
        return web.Response(body=picture, content_type="image/jpeg", headers={"Cache-Control": "no-cache"})

    async def metrics(self, request: web.Request) -> web.Response:
        """Metrics for Prometheus."""
        return web.Response(
            body=prometheus_client.generate_latest(self._prometheus),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def healthz(self, request: web.Request) -> web.Response:
        """The process answers, so it works."""
        return _json(models.HealthModel(status="ok"))

    async def readyz(self, request: web.Request) -> web.Response:
        """Whether viewers are taken."""
        if not self._ready():
            raise Problem(503, "not_ready", "the server is starting or stopping")
        return _json(models.HealthModel(status="ready"))

    async def openapi(self, request: web.Request) -> web.Response:
        """The description of the API, which takes a quarter of a second to make."""
        if self._description is None:
            self._description = await asyncio.to_thread(lambda: json.dumps(openapi(self.described)))
        return web.json_response(text=self._description)

    async def _managed(self, request: web.Request) -> tuple[Permit, list[Stream]]:
        """The streams that the asker manages; there must be one, unless he manages the server.

        Raises:
            AuthError: as `Access.require_manage`.
        """
        managed = [stream for stream in self._registry if self._access.may_manage(request, stream.name)]
        return await self._access.require_manage(request, managed[0].name if managed else ""), managed

    def _live(self, stream: Stream) -> models.LiveStream:
        video, audio, meter = stream.source.video, stream.source.audio, stream.meter
        keyframe = stream.source.keyframe
        leg = _leg(stream)
        return models.LiveStream(
            name=stream.name,
            title=stream.config.title,
            live=stream.state is State.LIVE,
            state=stream.state.value,
            video=models.LiveVideo(
                codec=video.codec, width=video.width, height=video.height, fps=round(meter.fps, 2)
            )
            if video is not None
            else None,
            audio=models.LiveAudio(codec=audio.codec, sample_rate=audio.sample_rate, channels=audio.channels)
            if audio is not None
            else None,
            bitrate_bps=round(meter.bitrate_bps),
            viewers=self._egress.count(stream),
            uptime_s=_uptime_s(stream),
            thumbnail=f"/thumbnails/{stream.name}.jpg?t={keyframe.pts}" if keyframe is not None else None,
            encryption=stream.config.encryption.value,
            publisher_cipher=leg.cipher if leg is not None else "",
            publisher_key_state=leg.key_state if leg is not None else "",
            e2e=self._end_to_end(stream),
            warnings=stream.warnings if stream.state is State.LIVE else [],
        )

    def _stream(self, stream: Stream) -> models.StreamModel:
        publisher, meter = stream.publisher, stream.meter
        return models.StreamModel(
            name=stream.name,
            title=stream.config.title,
            state=stream.state.value,
            encryption=stream.config.encryption.value,
            public=stream.config.public,
            source=redact_url(stream.config.source),
            on_demand=stream.config.on_demand,
            ingest=models.IngestModel(
                state=stream.ingest.state, reason=stream.ingest.reason, since=stream.ingest.since
            ),
            publisher=models.PublisherModel(
                id=publisher.id,
                protocol=publisher.protocol,
                address=publisher.address,
                since=publisher.since,
                encryption=_leg(stream),
                statistics=publisher.describe(),
            )
            if publisher is not None
            else None,
            tracks=[_track(track) for track in stream.source.tracks],
            bitrate_bps=round(meter.bitrate_bps),
            fps=round(meter.fps, 2),
            keyframe_interval_s=round(meter.keyframe_interval_s, 3),
            bytes_received=meter.bytes,
            uptime_s=_uptime_s(stream),
            timeline_jumps=stream.timeline_jumps,
            viewers=self._egress.count(stream),
            renditions=[
                models.RenditionModel(name=name, active=made.active, skipped_units=made.skipped)
                for name, made in (("h264", stream.h264), ("opus", stream.opus))
            ],
            e2e=self._end_to_end(stream),
            warnings=stream.warnings,
        )

    def _end_to_end(self, stream: Stream) -> models.EndToEndModel | None:
        ring = self._egress.ring(stream)
        if ring is None:
            return None
        cipher = ring.cipher(time.monotonic())
        return models.EndToEndModel(
            format=cipher.format, algorithm=cipher.algorithm, key_index=cipher.key.index
        )


def _leg(stream: Stream) -> models.LegModel | None:
    publisher = stream.publisher
    leg = publisher.encryption() if publisher is not None else None
    return models.LegModel(**dataclasses.asdict(leg)) if leg is not None else None


def _uptime_s(stream: Stream) -> float:
    publisher = stream.publisher
    return round(time.time() - publisher.since, 1) if publisher is not None else 0.0


def _track(track: Track) -> models.TrackModel:
    return models.TrackModel(
        id=track.id,
        kind="video" if track.is_video else "audio",
        codec=track.codec,
        profile=track.profile,
        width=track.width,
        height=track.height,
        sample_rate=track.sample_rate,
        channels=track.channels,
        has_b_frames=track.has_b_frames,
        language=track.language,
    )


def _viewer(viewer: Viewer) -> models.ViewerModel:
    counters = viewer.counters
    address = viewer.peer.address
    return models.ViewerModel(
        id=viewer.id,
        stream=viewer.stream.name,
        state=viewer.state.value,
        address=f"{address[0]}:{address[1]}" if address is not None else "",
        protocol=viewer.peer.protocol,
        user_agent=viewer.user_agent,
        since=viewer.since,
        video_codec=viewer.video_codec,
        video_source=viewer.video_source,
        audio_codec=viewer.audio_codec,
        cipher=viewer.cipher,
        dtls_version=viewer.dtls.version,
        dtls_cipher=viewer.dtls.cipher,
        signalling=viewer.signalling,
        packets_sent=int(counters["packets_sent"]),
        bytes_sent=int(counters["bytes_sent"]),
        packets_dropped=int(counters["packets_dropped"]),
        retransmitted=int(counters["retransmitted"]),
        rtx_refused=int(counters["rtx_refused"]),
        nacks=int(counters["nacks"]),
        plis=int(counters["plis"]),
        video_lost=int(counters["video_lost"]),
        audio_lost=int(counters["audio_lost"]),
        video_fraction_lost=round(float(counters["video_fraction_lost"]), 4),
        video_jitter_ms=round(float(counters["video_jitter_ms"]), 2),
        rtt_ms=round(float(counters["rtt_ms"]), 2),
        remb_bps=int(counters["remb_bps"]),
    )


def _json(model: BaseModel, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(text=model.model_dump_json(), headers=headers)
