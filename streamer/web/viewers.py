"""Who watches in a browser and how well, and ending sessions."""

from __future__ import annotations

import dataclasses

from aiohttp import web

from streamer.egress.hls import HlsEgress, HlsViewer, NoSuchHlsViewer
from streamer.egress.webrtc import NoSuchViewer, Viewer, WebRtcEgress
from streamer.hub.registry import Registry
from streamer.web import models
from streamer.web.access import Access
from streamer.web.answers import answer
from streamer.web.ledger import Ledger
from streamer.web.operations import Operation
from streamer.web.problems import Problem


class Viewers:
    """The handlers."""

    def __init__(
        self, registry: Registry, egress: WebRtcEgress, hls: HlsEgress, access: Access, ledger: Ledger
    ) -> None:
        self._registry = registry
        self._egress = egress
        self._hls = hls
        self._access = access
        self._ledger = ledger

    def operations(self) -> list[Operation]:
        """What to route where."""
        closed = {401: "A token is needed", 403: "This token does not open it"}
        return [
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
        ]

    async def viewers(self, request: web.Request) -> web.Response:
        """All viewers."""
        permit, streams = await self._access.require_managed(request, self._registry)
        names = {stream.name for stream in streams}
        shown = [viewer for viewer in self._egress.measured() if viewer.stream.name in names]
        fetching = [viewer for viewer in self._hls.viewers if viewer.stream.name in names]
        await self._ledger.looked(request, permit, "viewer.list", count=len(shown) + len(fetching))
        return answer(
            models.ViewersModel(
                viewers=[_viewer(viewer) for viewer in shown],
                over_hls=[_over_hls(viewer) for viewer in fetching],
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
            viewer = self._find(request.match_info["id"])
            permit = await self._access.require_manage(request, viewer.stream.name)
        except (NoSuchViewer, NoSuchHlsViewer) as error:
            # Only who manages everything learns who is not there.
            await self._access.require_manage(request, "")
            raise Problem(404, "no_such_viewer", str(error)) from None
        if isinstance(viewer, Viewer):
            self._egress.remove(viewer, "ended by the administrator")
        else:
            self._hls.remove(viewer, "ended by the administrator")
        await self._ledger.changed(request, permit, "viewer.kick", viewer.id, stream=viewer.stream.name)
        return web.Response(status=204)

    def _find(self, id: str) -> Viewer | HlsViewer:
        try:
            return self._egress.by_id(id)
        except NoSuchViewer:
            return self._hls.by_id(id)


def _over_hls(viewer: HlsViewer) -> models.HlsViewerModel:
    return models.HlsViewerModel(
        id=viewer.id,
        stream=viewer.stream.name,
        address=viewer.address,
        user=viewer.user,
        user_agent=viewer.user_agent,
        since=viewer.since,
        signalling=viewer.signalling,
        bytes_sent=viewer.bytes_sent,
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
        video_rung=viewer.rung,
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
