from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamer.hub.stream import Publisher
from tests.fakes.units import picture
from tests.streamer.web.rig import SECRETS, WebRig
from transport.plane.delays import bucket
from transport.rtp.receive import ReceiverCounters

LINK = {"packets_lost": 7, "packets_dropped": 2, "rtt_ms": 25.0}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[WebRig]:
    rig = WebRig(tmp_path)
    await rig.open()
    yield rig
    await rig.close()


async def scrape(rig: WebRig) -> dict[tuple[str, str], float]:
    """Value by name and stream."""
    status, headers, text = await rig.answer("GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for secret in SECRETS:
        assert secret not in text
    return {
        (sample.name, sample.labels.get("stream", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_every_stream_from_the_start(rig: WebRig) -> None:
    found = await scrape(rig)
    for name in ("cam", "closed", "door", "far"):
        assert found["streamer_stream_live", name] == 0
        assert found["streamer_viewers", name] == 0
        assert found["streamer_viewers_reduced", name] == 0
        assert found["streamer_viewer_packets_sent_total", name] == 0
    assert found["streamer_event_loop_lag_seconds", ""] == 0.125
    assert found["process_open_fds", ""] > 0


async def test_a_publisher_and_its_link(rig: WebRig) -> None:
    publication = rig.stream.publish(Publisher("one", "srt", "x", describe=lambda: {"srt": LINK}))
    publication.write(picture(0.0, keyframe=True, size=1000))
    found = await scrape(rig)
    assert found["streamer_stream_live", "cam"] == 1
    assert found["streamer_stream_received_bytes_total", "cam"] == 1000
    assert found["streamer_srt_packets_lost_total", "cam"] == 7
    assert found["streamer_srt_packets_dropped_total", "cam"] == 2
    assert found["streamer_srt_rtt_seconds", "cam"] == pytest.approx(0.025)
    assert ("streamer_srt_rtt_seconds", "door") not in found


async def test_a_publisher_over_webrtc_and_its_link(rig: WebRig) -> None:
    link = dataclasses.asdict(ReceiverCounters(lost=7, recovered=5, damaged=3, jitter_ms=25.0)) | {
        "dropped": 2
    }
    rig.stream.publish(Publisher("one", "whip", "x", describe=lambda: {"webrtc": link}))
    found = await scrape(rig)
    assert found["streamer_whip_packets_lost_total", "cam"] == 7
    assert found["streamer_whip_packets_recovered_total", "cam"] == 5
    assert found["streamer_whip_packets_dropped_total", "cam"] == 2
    assert found["streamer_whip_units_damaged_total", "cam"] == 3
    assert found["streamer_whip_jitter_seconds", "cam"] == pytest.approx(0.025)
    assert ("streamer_whip_jitter_seconds", "door") not in found
    assert ("streamer_srt_rtt_seconds", "cam") not in found


@pytest.mark.parametrize("described", [{}, {"srt": {}}, {"rtsp": {"packets": 1}}])
async def test_a_publisher_without_a_link(rig: WebRig, described: dict[str, object]) -> None:
    rig.stream.publish(Publisher("one", "rtsp", "x", describe=lambda: described))
    assert (await scrape(rig))["streamer_stream_live", "cam"] == 1


async def test_viewers_and_what_was_sent_to_those_who_left(rig: WebRig) -> None:
    rig.publish_to("cam")
    await rig.watch()
    (viewer,) = rig.egress.measured()
    rig.plane.counters[viewer.peer.id] = {
        "packets_sent": 10,
        "bytes_sent": 100,
        "rtx_refused": 3,
        "video_fraction_lost": 0.5,
    }
    rig.egress._tally.measure(0.0)
    found = await scrape(rig)
    assert found["streamer_viewers", "cam"] == 1
    assert found["streamer_viewers_reduced", "cam"] == 0
    assert found["streamer_viewer_bytes_sent_total", "cam"] == 100
    assert found["streamer_viewer_loss_ratio", "cam"] == 0.5
    viewer.move(1)
    assert (await scrape(rig))["streamer_viewers_reduced", "cam"] == 1
    rig.egress.leave(viewer, "test")
    found = await scrape(rig)
    assert found["streamer_viewers", "cam"] == 0
    assert found["streamer_viewers_reduced", "cam"] == 0
    assert found["streamer_viewer_packets_sent_total", "cam"] == 10
    assert found["streamer_viewer_retransmissions_refused_total", "cam"] == 3
    assert found["streamer_viewer_loss_ratio", "cam"] == 0


async def test_how_long_sending_takes(rig: WebRig) -> None:
    rig.plane.delays[bucket(0.002)] = np.uint64(3)
    rig.plane.delays[bucket(30.0)] = np.uint64(1)
    _, _, text = await rig.answer("GET", "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = families["streamer_send_delay_seconds"].samples
    by_edge = {sample.labels["le"]: sample.value for sample in samples if "le" in sample.labels}
    assert by_edge["+Inf"] == 4
    assert [count for edge, count in by_edge.items() if float(edge) < 0.002] == [0] * 6
    assert {count for edge, count in by_edge.items() if 0.002 < float(edge) < 1} == {3}
