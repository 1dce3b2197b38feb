"""The server itself: for who runs it, for supervisors and for Prometheus."""

from __future__ import annotations

import asyncio
import importlib.metadata
import time
from collections.abc import Callable, Iterable

import prometheus_client
from aiohttp import web
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from streamer.egress.webrtc import WebRtcEgress
from streamer.web import models
from streamer.web.access import Access
from streamer.web.answers import answer
from streamer.web.operations import Operation
from streamer.web.problems import Problem


class Status:
    """The handlers.

    Args:
        loop_lag_s: the latest reading of the event loop's lag.
        send_delay_ms: from a unit's writing to the kernel, by share of the units.
        ready: whether the server takes viewers.
        prometheus: the registry that `/metrics` shows.
        tls: what HTTPS shows.
    """

    def __init__(
        self,
        egress: WebRtcEgress,
        access: Access,
        *,
        loop_lag_s: Callable[[], float],
        send_delay_ms: Callable[[float], float | None],
        ready: Callable[[], bool],
        prometheus: prometheus_client.CollectorRegistry,
        tls: Callable[[], models.CertificateModel],
    ) -> None:
        self._egress = egress
        self._access = access
        self._loop_lag_s = loop_lag_s
        self._send_delay_ms = send_delay_ms
        self._ready = ready
        self._prometheus = prometheus
        self._tls = tls
        self._since = time.monotonic()

    def operations(self) -> list[Operation]:
        """What to route where."""
        closed = {401: "A token is needed", 403: "This token does not open it"}
        return [
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
        ]

    async def server(self, request: web.Request) -> web.Response:
        """The server itself."""
        await self._access.require_manage(request, "")
        return answer(
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

    async def metrics(self, request: web.Request) -> web.Response:
        """Metrics for Prometheus."""
        # What they are, only the event loop knows; to write those of hundreds of streams down takes 50 ms.
        collected = _Collected(self._prometheus.collect())
        return web.Response(
            body=await asyncio.to_thread(prometheus_client.generate_latest, collected),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def healthz(self, request: web.Request) -> web.Response:
        """The process answers, so it works."""
        return answer(models.HealthModel(status="ok"))

    async def readyz(self, request: web.Request) -> web.Response:
        """Whether viewers are taken."""
        if not self._ready():
            raise Problem(503, "not_ready", "the server is starting or stopping")
        return answer(models.HealthModel(status="ready"))


class _Collected(Collector):
    """What a registry had to tell."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics
