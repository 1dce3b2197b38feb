from __future__ import annotations

import asyncio
import re

import pytest

from auth.permissions.actions import Action
from streamer.egress.hls import endpoint
from streamer.hub.stream import Publication, Publisher
from tests.fakes.wait import until
from tests.streamer.egress.hls.material import later, pictures, sounds
from tests.streamer.web.rig import WebRig
from transport.media import AccessUnit

# A keyframe first, as a publisher that tells of both would have it: what began with a sound alone were a
# stream without a picture until the output looks again.
MATERIAL = sorted(
    [*pictures(5.2, gop=50), *(unit for unit in sounds(5.2) if unit.dts_s >= 1.0)],
    key=lambda unit: (unit.dts_s, not unit.track.is_video),
)
FIRST, REST = MATERIAL[:2], MATERIAL[2:]


@pytest.fixture(params=[{}, {"If-None-Match": "*"}], ids=["express", "ordinary"], autouse=True)
def way(request: pytest.FixtureRequest, rig: WebRig) -> None:
    """Each test is made both ways: as players ask, and with a header that takes the way through aiohttp."""
    rig.client.session.headers.update(request.param)


async def watch(rig: WebRig, stream: str = "cam", **headers: str) -> str:
    """Publish a few seconds and watch them; the second playlist's address."""
    return (await begin(rig, stream, **headers))[0]


async def begin(rig: WebRig, stream: str = "cam", **headers: str) -> tuple[str, Publication]:
    """As `watch`, and the publication."""
    publication = rig.registry.find(stream).publish(Publisher("one", "srt", "192.0.2.1:4000"))
    write(publication, FIRST)
    joining = asyncio.create_task(rig.client.get(f"/hls/{stream}/index.m3u8?early=1", headers=headers))
    await until(lambda: rig.registry.find(stream).source.has_sinks)
    write(publication, REST)
    answer = await joining
    assert answer.status == 200, await answer.text()
    assert answer.headers["Content-Type"] == "application/vnd.apple.mpegurl"
    assert answer.headers["Cache-Control"] == "no-store"
    return f"/hls/{stream}/{(await answer.text()).splitlines()[-1]}", publication


def write(publication: Publication, units: list[AccessUnit]) -> None:
    for unit in units:
        publication.write(unit)


def named(text: str) -> list[str]:
    """All addresses in a playlist."""
    return re.findall(r'URI="([^"]+)"', text) + re.findall(r"^[^#\n].*$", text, re.MULTILINE)


class TestWatching:
    async def test_everything_that_a_playlist_names_is_there(self, rig: WebRig) -> None:
        address = await watch(rig)
        text = await (await rig.client.get(address)).text()
        names = [name for name in named(text) if f'PART,URI="{name}"' not in text]
        assert any(name.startswith(f"{rig.hls.viewers[0].output.name}-header-1.mp4") for name in names)
        assert len(names) > 8
        for name in names:
            answer = await rig.client.get(f"/hls/cam/{name}")
            assert (answer.status, answer.headers["Content-Type"]) == (200, "video/mp4"), name
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert (await answer.read())[4:8] in (b"ftyp", b"moof")
        (viewer,) = rig.hls.viewers
        assert viewer.plays
        assert viewer.bytes_sent > 20_000

    async def test_a_segment_is_its_parts(self, rig: WebRig) -> None:
        address = await watch(rig)
        text = await (await rig.client.get(address)).text()
        parts = [name for name in named(text) if re.search(r"-1\.\d+\.m4s", name)]
        whole = next(name for name in named(text) if re.search(r"-1\.m4s", name))
        data = [await (await rig.client.get(f"/hls/cam/{name}")).read() for name in (*parts, whole)]
        assert b"".join(data[:-1]) == data[-1]

    async def test_a_reload_waits_for_what_it_asks_for(self, rig: WebRig) -> None:
        address = await watch(rig)
        output = rig.hls.viewers[0].output
        current = output.window.current
        assert current is not None
        assert (current.number, len(current.parts)) == (2, 2)
        name = f"{output.name}-2.2.m4s?{address.partition('?')[2]}"
        reloading = asyncio.create_task(rig.client.get(f"{address}&_HLS_msn=2&_HLS_part=2"))
        fetching = asyncio.create_task(rig.client.get(f"/hls/cam/{name}"))
        for _ in range(3):
            assert (await rig.client.get(address)).status == 200
        assert not reloading.done()
        assert not fetching.done()
        for unit in later(tuple(MATERIAL), 5.2)[:120]:
            rig.stream.written(unit)
        assert f'URI="{name}"' in (await (await reloading).text()).replace("PRELOAD-HINT:TYPE=PART,URI", "")
        fetched = await fetching
        assert (fetched.status, (await fetched.read())[4:8]) == (200, b"moof")

    @pytest.mark.parametrize("early", [False, True])
    async def test_only_who_begins_early_is_told_of_no_segment_yet(
        self, rig: WebRig, monkeypatch: pytest.MonkeyPatch, early: bool
    ) -> None:
        """hls.js ends with an error at a playlist without a segment; keyframes may be 20 s apart."""
        monkeypatch.setattr(endpoint, "_PATIENCE_S", 0.3)
        publication = rig.stream.publish(Publisher("one", "srt", "192.0.2.1:4000"))
        write(publication, FIRST)
        joining = asyncio.create_task(rig.client.get("/hls/cam/index.m3u8", params={"early": f"{early:d}"}))
        await until(lambda: rig.stream.source.has_sinks)
        write(publication, [unit for unit in REST if unit.dts_s < 2.6])
        address = f"/hls/cam/{(await (await joining).text()).splitlines()[-1]}"
        asking = asyncio.create_task(rig.client.get(address))
        if early:
            assert "#EXT-X-PART:" in await (await asking).text()
            return
        for _ in range(3):
            assert (await rig.client.get("/healthz")).status == 200
        assert not asking.done()
        write(publication, [unit for unit in REST if unit.dts_s >= 2.6])
        assert "#EXTINF:" in await (await asking).text()

    async def test_what_does_not_come_is_told(self, rig: WebRig, monkeypatch: pytest.MonkeyPatch) -> None:
        address = await watch(rig)
        monkeypatch.setattr(type(rig.hls.viewers[0].output), "target_s", 0.05)
        answer = await rig.client.get(f"{address}&_HLS_msn=3")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")

    @pytest.mark.parametrize(
        "query, said",
        [
            ("_HLS_msn=x", "expected a number"),
            ("_HLS_msn=-1", "expected a number"),
            ("_HLS_part=1", "without _HLS_msn"),
            ("_HLS_msn=99", "where 2 is being made"),
        ],
    )
    async def test_nonsense_is_refused(self, rig: WebRig, query: str, said: str) -> None:
        address = await watch(rig)
        answer = await rig.client.get(f"{address}&{query}")
        assert answer.status == 400
        assert said in (await answer.json())["message"]

    @pytest.mark.parametrize(
        "name",
        [
            "x",
            "{name}-99.m4s",
            "{name}-0.99.m4s",
            "{name}-header-9.mp4",
            "00000000-0.m4s",
            "{name}-0.m4s.x",
            "..",
        ],
    )
    async def test_what_is_not_there_is_not_found(self, rig: WebRig, name: str) -> None:
        address = await watch(rig)
        name = name.format(name=rig.hls.viewers[0].output.name)
        answer = await rig.client.get(f"/hls/cam/{name}?{address.partition('?')[2]}")
        assert answer.status == 404

    @pytest.mark.parametrize(
        ("user_agent", "first_box"), [("VLC/3.0.24 LibVLC/3.0.24", b"ftyp"), ("Lavf/60.16.100", b"moof")]
    )
    async def test_vlc_is_given_the_header_after_a_break(
        self, rig: WebRig, user_agent: str, first_box: bytes
    ) -> None:
        """VLC's way: it begins anew after EXT-X-DISCONTINUITY, and fetches no EXT-X-MAP for that."""
        address, publication = await begin(rig, **{"User-Agent": user_agent})
        publication.close("it restarts")
        again = publication.stream.publish(Publisher("two", "srt", "192.0.2.1:4000"))
        write(again, later(tuple(MATERIAL), 10.0))
        window = rig.hls.viewers[0].output.window
        await until(lambda: any(segment.breaks for segment in window.complete))
        broken = next(segment for segment in window.complete if segment.breaks)
        text = await (await rig.client.get(address)).text()
        for segment in window.complete:
            name = next(name for name in named(text) if f"-{segment.number}.m4s" in name)
            data = await (await rig.client.get(f"/hls/cam/{name}")).read()
            assert data[4:8] == (first_box if segment is broken else b"moof")
            header = (window.header(segment.header) or b"") if data[4:8] == b"ftyp" else b""
            assert data == header + b"".join(part.data for part in segment.parts)


class TestSessions:
    @pytest.mark.parametrize("query", ["", "?session=", "?session=wrong"])
    async def test_without_one_nothing_is_given(self, rig: WebRig, query: str) -> None:
        await watch(rig)
        name = f"{rig.hls.viewers[0].output.name}-0.m4s"
        for path in ("live.m3u8", name):
            answer = await rig.client.get(f"/hls/cam/{path}{query}")
            assert answer.status == 404
            assert (await answer.json())["error"] == "no_such_session"

    async def test_one_is_of_its_stream(self, rig: WebRig) -> None:
        address = await watch(rig)
        answer = await rig.client.get(address.replace("/hls/cam/", "/hls/closed/"))
        assert answer.status == 404

    async def test_it_goes_on_after_silence_with_what_opens_the_stream_now(
        self, rig: WebRig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No player in JavaScript asks for the first playlist again after a network was away."""
        running = asyncio.create_task(rig.hls.run())
        address = await watch(rig)
        token = rig.bearer(Action.WATCH, stream="closed")
        closed = await watch(rig, "closed", **token)
        with monkeypatch.context() as patch:
            patch.setattr(endpoint, "_GONE_AFTER_S", -1.0)
            patch.setattr(endpoint, "_GONE_AFTER_SEGMENTS", -1)
            await until(lambda: not rig.hls.viewers)
        names = named(await (await rig.client.get(address)).text())
        (viewer,) = rig.hls.viewers
        assert viewer.key == address.partition("session=")[2]
        assert (await rig.client.get(f"/hls/cam/{names[0]}")).status == 200
        assert rig.hls.viewers == [viewer]
        gone = await rig.client.get(closed)
        assert (gone.status, (await gone.json())["error"]) == (404, "no_such_session")
        assert (await rig.client.get(closed, headers=token)).status == 200
        running.cancel()

    async def test_an_administrator_sees_and_ends_it(self, rig: WebRig) -> None:
        address = await watch(rig)
        (shown,) = (await (await rig.client.get("/api/v1/viewers", headers=rig.admin)).json())["over_hls"]
        assert (shown["stream"], shown["address"]) == ("cam", "127.0.0.1")
        stream = await (await rig.client.get("/api/v1/streams/cam", headers=rig.admin)).json()
        assert stream["viewers"] == 1
        ended = await rig.client.delete(f"/api/v1/viewers/{shown['id']}", headers=rig.admin)
        assert ended.status == 204
        answer = await rig.client.get(address)
        assert answer.status == 404
        assert "ended by the administrator" in (await answer.json())["message"]


class TestRights:
    async def test_a_closed_stream_wants_a_token_once(self, rig: WebRig) -> None:
        assert (await rig.client.get("/hls/closed/index.m3u8")).status == 401
        token = rig.bearer(Action.WATCH, stream="closed")
        address = await watch(rig, "closed", **token)
        answer = await rig.client.get(address)
        assert answer.status == 200
        name = named(await answer.text())[0]
        header = await rig.client.get(f"/hls/closed/{name}")
        assert header.headers["Cache-Control"].startswith("private")

    async def test_a_token_for_another_stream_does_not_open_it(self, rig: WebRig) -> None:
        token = rig.bearer(Action.WATCH, stream="cam")
        assert (await rig.client.get("/hls/closed/index.m3u8", headers=token)).status == 403

    async def test_who_may_only_listen_is_told_why_not(self, rig: WebRig) -> None:
        token = rig.bearer(Action.LISTEN, stream="closed")
        answer = await rig.client.get("/hls/closed/index.m3u8", headers=token)
        assert answer.status == 403
        assert "this token is for sound" in (await answer.json())["message"]

    async def test_a_token_that_ends_ends_the_session(self, rig: WebRig) -> None:
        token = rig.bearer(Action.WATCH, stream="closed", lifetime_s=2.0)
        address = await watch(rig, "closed", **token)
        await until(lambda: not rig.hls.viewers)
        assert (await rig.client.get(address)).status == 404

    async def test_a_token_for_one_has_one_seat(self, rig: WebRig) -> None:
        token = rig.bearer(Action.WATCH, stream="closed", viewers=1)
        await watch(rig, "closed", **token)
        answer = await rig.client.get("/hls/closed/index.m3u8?early=1", headers=token)
        assert answer.status == 429
        assert len(rig.hls.viewers) == 1

    async def test_nothing_live_is_told_with_when_to_ask_again(self, rig: WebRig) -> None:
        answer = await rig.client.get("/hls/cam/index.m3u8")
        assert (answer.status, answer.headers["Retry-After"]) == (409, "2")
        assert (await rig.client.get("/hls/nowhere/index.m3u8")).status == 404
