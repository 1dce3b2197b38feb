"""The streams: what each carries, who brings it, its content keys and its thumbnail."""

from __future__ import annotations

import base64
import dataclasses
import random
import time

from aiohttp import web

from auth.permissions.protocols import Protocol
from streamer.egress.hls import HlsEgress
from streamer.egress.webrtc import WebRtcEgress
from streamer.hub.registry import Registry
from streamer.hub.stream import State, Stream
from streamer.recording.recordings import Recordings
from streamer.web import models
from streamer.web.access import Access
from streamer.web.answers import answer
from streamer.web.confidential import require_confidential
from streamer.web.ledger import Ledger
from streamer.web.operations import CONTENT_KEY_PATH, Operation
from streamer.web.origin import signalling
from streamer.web.problems import Problem
from streamer.web.recordings import recorder_model
from streamer.web.thumbnails import Thumbnails
from transport.media import Track
from transport.rtsp import redact_url

# Of the time before a key is used in which players fetch it: the latest must have it before then.
_ASK_WITHIN_SHARE = 0.8


class Streams:
    """The handlers.

    Args:
        srt_port: where encoders call, for the pages.
    """

    def __init__(
        self,
        registry: Registry,
        egress: WebRtcEgress,
        hls: HlsEgress,
        access: Access,
        ledger: Ledger,
        *,
        recordings: Recordings,
        srt_port: int,
    ) -> None:
        self._registry = registry
        self._egress = egress
        self._hls = hls
        self._access = access
        self._ledger = ledger
        self._recordings = recordings
        self._srt_port = srt_port
        self._thumbnails = Thumbnails()

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
                "/thumbnails/{name}.jpg",
                self.thumbnail,
                "The latest keyframe as a JPEG",
                {200: "The picture", **closed, 404: "No such stream, or no picture yet"},
                content="image/jpeg",
                needs="watch",
            ),
        ]

    async def live(self, request: web.Request) -> web.Response:
        """What the index page shows."""
        shown = [stream for stream in self._registry if self._access.may_play(request, stream)]
        return answer(
            models.LiveModel(
                streams=[self._live(stream) for stream in shown],
                srt_port=self._srt_port,
                signalling=signalling(request).description,
            )
        )

    async def streams(self, request: web.Request) -> web.Response:
        """All streams."""
        permit, shown = await self._access.require_managed(request, self._registry)
        await self._ledger.looked(request, permit, "stream.list", count=len(shown))
        return answer(models.StreamsModel(streams=[self._stream(stream) for stream in shown]))

    async def stream(self, request: web.Request) -> web.Response:
        """One stream."""
        permit = await self._access.require_manage(request, request.match_info["name"])
        stream = self._registry.find(request.match_info["name"])
        # Its publisher's address is somebody's.
        await self._ledger.looked(request, permit, "stream.show", stream.name)
        return answer(self._stream(stream))

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
        return answer(model)

    async def thumbnail(self, request: web.Request) -> web.Response:
        """The latest keyframe."""
        stream = self._registry.find(request.match_info["name"])
        await self._access.require_watch(request, stream, Protocol.API)
        require_confidential(request, stream)
        picture = await self._thumbnails.picture(stream)
        if picture is None:
            raise Problem(404, "no_picture", f"{stream.name!r} has shown no picture yet")
        return web.Response(body=picture, content_type="image/jpeg", headers={"Cache-Control": "no-cache"})

    def _live(self, stream: Stream) -> models.LiveStream:
        video, audio = (stream.source.video, stream.source.audio) if stream.tracks else (None, None)
        meter = stream.meter
        keyframe = stream.source.keyframe
        leg = _leg(stream)
        is_live = stream.state is State.LIVE or stream.is_elsewhere
        return models.LiveStream(
            name=stream.name,
            title=stream.config.title,
            live=is_live,
            state=(State.LIVE if is_live else stream.state).value,
            video=models.LiveVideo(
                codec=video.codec, width=video.width, height=video.height, fps=round(meter.fps, 2)
            )
            if video is not None
            else None,
            audio=models.LiveAudio(codec=audio.codec, sample_rate=audio.sample_rate, channels=audio.channels)
            if audio is not None
            else None,
            bitrate_bps=round(meter.bitrate_bps),
            viewers=self._egress.count(stream) + self._hls.count(stream),
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
                address=publisher.moved_to() or publisher.address,
                since=publisher.since,
                encryption=_leg(stream),
                statistics=publisher.describe(),
            )
            if publisher is not None
            else None,
            tracks=[_track(track) for track in stream.tracks],
            bitrate_bps=round(meter.bitrate_bps),
            fps=round(meter.fps, 2),
            keyframe_interval_s=round(meter.keyframe_interval_s, 3),
            bytes_received=meter.bytes,
            uptime_s=_uptime_s(stream),
            timeline_jumps=stream.timeline_jumps,
            viewers=self._egress.count(stream) + self._hls.count(stream),
            renditions=[
                models.RenditionModel(name=name, active=made.active, skipped_units=made.skipped)
                for name, made in stream.renditions.items()
            ],
            e2e=self._end_to_end(stream),
            recording=recorder_model(self._recordings.state(stream)),
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
    since = publisher.since if publisher is not None else stream.elsewhere_since
    return round(max(0.0, time.time() - since), 1) if since is not None else 0.0


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
