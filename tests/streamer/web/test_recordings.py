from __future__ import annotations

import io
import json
import os
from typing import Any

import aiohttp
import av
import pytest

from auth.permissions.actions import Action
from streamer.config import parse
from streamer.hub.stream import Publisher
from tests.fakes.wait import until
from tests.streamer.egress.hls.material import pictures
from tests.streamer.recording.test_library import AT, FRAGMENT, FRAGMENTS, HEADER, add
from tests.streamer.web.rig import STREAMS, WebRig
from transport.cmaf import describe

WHOLE = HEADER + FRAGMENT


async def listed(rig: WebRig, query: str = "", **options: Any) -> list[str]:
    answer = await rig.json(f"/api/v1/recordings{query}", headers=options.get("headers", rig.admin))
    return [each["id"] for each in answer["recordings"]]


async def test_they_are_listed_the_latest_first(rig: WebRig) -> None:
    assert await listed(rig) == []
    library = rig.recordings.library
    first, other, last = add(library, "cam", AT), add(library, "closed", AT + 5), add(library, "cam", AT + 9)
    gone = add(library, "gone", AT + 7)  # a stream that is not configured any more
    assert await listed(rig) == [last, gone, other, first]
    assert await listed(rig, "?stream=cam") == [last, first]
    assert await listed(rig, "?limit=2") == [last, gone]
    assert await listed(rig, f"?before={AT + 6}") == [other, first]
    assert await listed(rig, "?stream=none") == []
    (shown,) = (await rig.json("/api/v1/recordings?stream=closed", headers=rig.admin))["recordings"]
    assert shown.pop("began_at") == pytest.approx(AT + 5)
    assert shown == {
        "id": "closed@2026-11-27T22-00-05.123Z",
        "stream": "closed",
        "duration_s": 1.0,
        "bytes": len(WHOLE),
        "complete": True,
        "tracks": [
            {
                "kind": "video",
                "codec": "h264",
                "width": 320,
                "height": 240,
                "sample_rate": 0,
                "channels": 0,
            }
        ],
    }


async def test_they_are_shown_to_those_alone_who_manage_their_stream(rig: WebRig) -> None:
    library = rig.recordings.library
    mine, other = add(library, "cam", AT), add(library, "closed", AT)
    manages = rig.bearer(Action.MANAGE, stream="cam")
    assert await listed(rig, headers=manages) == [mine]
    assert (await rig.answer("GET", "/api/v1/recordings?stream=closed", headers=manages))[0] == 403
    for headers, status in (
        ({}, 401),
        (manages, 403),
        (rig.bearer(Action.WATCH, stream="closed"), 403),
    ):
        for method in ("GET", "DELETE"):
            path = f"/api/v1/recordings/{other}"
            assert (await rig.answer(method, path, headers=headers))[0] == status
    assert (await rig.answer("GET", "/api/v1/recordings", headers={}))[0] == 401
    watches = rig.bearer(Action.WATCH)
    assert (await rig.answer("GET", "/api/v1/recordings", headers=watches))[0] == 403
    assert library.ids("closed") == [other]


@pytest.mark.parametrize("is_sealed", [False, True], ids=["clear", "sealed"])
async def test_one_is_downloaded_whole_or_in_parts(rig: WebRig, is_sealed: bool) -> None:
    id = add(rig.recordings.library, "cam", AT, is_sealed=is_sealed)
    path = f"/api/v1/recordings/{id}"
    async with rig.client.get(path, headers=rig.admin) as response:
        assert response.status == 200
        assert response.content_type == "video/mp4"
        assert response.headers["Accept-Ranges"] == "bytes"
        assert f'filename="{id}.mp4"' in response.headers["Content-Disposition"]
        assert response.headers["Cache-Control"] == "private, no-cache"
        whole = await response.read()
        etag = response.headers["ETag"]
    assert len(whole) == len(WHOLE)
    assert describe(whole).duration_s == 1.0
    assert whole.endswith(FRAGMENT)
    for asked, expected in (
        ("bytes=0-99", whole[:100]),
        ("bytes=100-", whole[100:]),
        ("bytes=-50", whole[-50:]),
        (f"bytes={len(HEADER) - 10}-{len(HEADER) + 9}", whole[len(HEADER) - 10 : len(HEADER) + 10]),
        ("bytes=0-999999999", whole),
    ):
        async with rig.client.get(path, headers=rig.admin | {"Range": asked}) as response:
            assert response.status == 206
            assert response.content_type == "video/mp4"
            start = len(whole) - 50 if asked == "bytes=-50" else int(asked[6:].partition("-")[0])
            end = start + len(expected) - 1
            assert response.headers["Content-Range"] == f"bytes {start}-{end}/{len(whole)}"
            assert await response.read() == expected
    # What is sent as it is is held to a time alone (If-Range with a date).
    for condition, status in ((etag, 206), ('"another"', 200)) if is_sealed else ():
        headers = rig.admin | {"Range": "bytes=0-9", "If-Range": condition}
        async with rig.client.get(path, headers=headers) as response:
            assert response.status == status
            assert await response.read() == (whole[:10] if status == 206 else whole)
    async with rig.client.get(path, headers=rig.admin | {"Range": "bytes=999999999-"}) as response:
        assert response.status == 416
    async with rig.client.head(path, headers=rig.admin) as response:
        assert response.headers["Content-Length"] == str(len(whole))


@pytest.mark.parametrize("is_sealed", [False, True], ids=["clear", "sealed"])
async def test_one_that_grows_can_be_sought_in(rig: WebRig, is_sealed: bool) -> None:
    """VLC's way: wherever it seeks to, it wants the file that it was told of first, by tag or by time."""
    library = rig.recordings.library
    library.prepare("cam")
    file = library.create("cam", AT, HEADER, is_sealed=is_sealed)
    path = f"/api/v1/recordings/{file.id}"
    file.append(FRAGMENT, 1.0)
    for count in (1, 2, 3):
        async with rig.client.get(path, headers=rig.admin | {"Range": "bytes=0-"}) as response:
            first = response.headers
            whole = await response.read()
        assert len(whole) == len(HEADER) + count * len(FRAGMENT)
        file.append(FRAGMENT, 1.0)
        os.utime(library.path(file.id), (AT + 60 * count, AT + 60 * count))
        condition = {
            name: first[validator]
            for name, validator in (("If-Match", "ETag"), ("If-Unmodified-Since", "Last-Modified"))
            if validator in first
        }
        sought = {"Range": f"bytes={len(HEADER)}-"}
        async with rig.client.get(path, headers=rig.admin | sought | condition) as response:
            assert response.status == 206
            assert await response.read() == FRAGMENT * (count + 1)
    file.close()
    library.complete(file.id)
    async with rig.client.get(path, headers=rig.admin) as response:
        assert "ETag" in response.headers


@pytest.mark.parametrize("is_sealed", [False, True], ids=["clear", "sealed"])
async def test_a_part_is_cut_out(rig: WebRig, is_sealed: bool) -> None:
    library = rig.recordings.library
    library.prepare("cam")
    file = library.create("cam", AT, HEADER, is_sealed=is_sealed)
    for each in FRAGMENTS:
        file.append(each, 1.0)
    path = f"/api/v1/recordings/{file.id}/clip"
    # It is still being written: what is there can be had.
    async with rig.client.get(f"{path}?from_s=2.5&to_s=4.1", headers=rig.admin) as response:
        assert (response.status, response.content_type) == (200, "video/mp4")
        named = 'attachment; filename="cam@2026-11-27T22-00-02.'
        assert response.headers["Content-Disposition"].startswith(named)
        part = await response.read()
        assert len(part) == int(response.headers["Content-Length"])
    assert describe(part).duration_s == pytest.approx(2.12, abs=0.05)
    with av.open(io.BytesIO(part), format="mp4") as container:
        assert len(list(container.decode(video=0))) in (53, 54)
    file.close()
    library.complete(file.id)
    async with rig.client.get(path, headers=rig.admin) as response:
        assert describe(await response.read()).duration_s == pytest.approx(7.0, abs=0.05)
    # VLC's way to seek in it; at the ends, inside and across what is written anew and what is copied.
    for start, end in (
        (0, 1),
        (0, len(part)),
        (len(HEADER) - 3, len(HEADER) + 3),
        (len(part) - 9, len(part)),
        *((at, at + 701) for at in range(0, len(part) - 701, 1399)),
    ):
        asked = rig.admin | {"Range": f"bytes={start}-{end - 1}"}
        async with rig.client.get(f"{path}?from_s=2.5&to_s=4.1", headers=asked) as response:
            assert response.status == 206
            assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(part)}"
            assert await response.read() == part[start:end]
    asked = rig.admin | {"Range": f"bytes={len(part)}-"}
    async with rig.client.get(f"{path}?from_s=2.5&to_s=4.1", headers=asked) as response:
        assert response.status == 416
    async with rig.client.head(f"{path}?from_s=2.5&to_s=4.1", headers=rig.admin) as response:
        assert int(response.headers["Content-Length"]) == len(part)
    for query, status, error in (
        ("?from_s=100", 422, "not_cut"),
        ("?from_s=3&to_s=3", 400, "bad_request"),
        ("?from_s=-1", 400, "bad_request"),
        ("?from_s=nan", 400, "bad_request"),
    ):
        answered, _, text = await rig.answer("GET", path + query, headers=rig.admin)
        assert (answered, json.loads(text)["error"]) == (status, error)
    assert (await rig.answer("GET", path, headers={}))[0] == 401
    assert (await rig.answer("GET", path, headers=rig.bearer(Action.WATCH)))[0] == 403
    other = "/api/v1/recordings/cam@2026-11-27T22-00-00.124Z/clip"
    assert (await rig.answer("GET", other, headers=rig.admin))[0] == 404
    entries = (await rig.json("/api/v1/audit?what=recording.clip", headers=rig.admin))["entries"]
    assert {f"{file.id} 2.5-4.1", f"{file.id} 0-"} <= {entry["target"] for entry in entries}


async def test_a_file_that_somebody_else_put_there_is_not_cut(rig: WebRig) -> None:
    id = add(rig.recordings.library, "cam", AT)
    rig.recordings.library.path(id).write_bytes(bytes(1000))
    status, _, text = await rig.answer("GET", f"/api/v1/recordings/{id}/clip", headers=rig.admin)
    assert (status, json.loads(text)["error"]) == (422, "not_cut")


async def test_one_that_was_changed_is_not_sent(rig: WebRig) -> None:
    id = add(rig.recordings.library, "cam", AT, is_sealed=True)
    path = rig.recordings.library.path(id)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    status, _, text = await rig.answer("GET", f"/api/v1/recordings/{id}", headers=rig.admin)
    assert (status, json.loads(text)["error"]) == (500, "recording_damaged")
    assert (await rig.json("/api/v1/recordings", headers=rig.admin))["recordings"][0]["tracks"] == []
    data[100] ^= 1
    data[-1] ^= 1
    path.write_bytes(data)
    # What was promised does not come, which tells whoever reads; nothing else is sent in its place.
    with pytest.raises(aiohttp.ClientPayloadError):
        async with rig.client.get(f"/api/v1/recordings/{id}", headers=rig.admin) as response:
            await response.read()
    assert (await rig.answer("GET", "/healthz"))[0] == 200


@pytest.mark.parametrize(
    "id",
    [
        "none",
        "cam@2026-11-27T22-00-00.124Z",
        "cam@2026-13-41T22-00-00.123Z",
        "..%2F..%2Fstreamer.db",
        "cam@..%2F..%2Fstreamer.db",
        "%2Fetc%2Fpasswd",
        "..%2Fcam@2026-11-27T22-00-00.123Z",
        "cam%2F..%2Fcam@2026-11-27T22-00-00.123Z",
        "cam@2026-11-27T22-00-00.123Z%00",
        "cam@2026-11-27T22-00-00.123Z.mp4",
        "cam%2F2026-11-27T22-00-00.123Z.mp4",
    ],
)
async def test_no_path_leads_elsewhere(rig: WebRig, id: str) -> None:
    add(rig.recordings.library, "cam", AT)
    for method in ("GET", "DELETE"):
        status, _, text = await rig.answer(method, f"/api/v1/recordings/{id}", headers=rig.admin)
        assert (status, json.loads(text)["error"]) == (404, "no_such_recording")
    # Who does not manage everything is not told what there is.
    manages = rig.bearer(Action.MANAGE, stream="closed")
    assert (await rig.answer("GET", f"/api/v1/recordings/{id}", headers=manages))[0] == 403
    assert len(await listed(rig)) == 1


async def test_a_link_to_elsewhere_is_not_followed(rig: WebRig) -> None:
    id = add(rig.recordings.library, "cam", AT)
    path = rig.recordings.library.path(id)
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert (await rig.answer("GET", f"/api/v1/recordings/{id}", headers=rig.admin))[0] == 404


async def test_one_is_removed_and_one_that_is_written_is_not(rig: WebRig) -> None:
    library = rig.recordings.library
    id = add(library, "cam", AT)
    assert (await rig.answer("DELETE", f"/api/v1/recordings/{id}", headers=rig.admin))[0] == 204
    assert await listed(rig) == []
    file = library.create("cam", AT, HEADER)
    file.append(FRAGMENT, 1.0)
    status, _, text = await rig.answer("DELETE", f"/api/v1/recordings/{file.id}", headers=rig.admin)
    assert (status, json.loads(text)["error"]) == (409, "being_recorded")
    (shown,) = (await rig.json("/api/v1/recordings", headers=rig.admin))["recordings"]
    assert not shown["complete"]
    # It is had as far as it goes.
    async with rig.client.get(f"/api/v1/recordings/{file.id}", headers=rig.admin) as response:
        assert len(await response.read()) == len(WHOLE)
    file.close()


async def test_looking_and_removing_are_kept_in_the_log(rig: WebRig) -> None:
    id = add(rig.recordings.library, "cam", AT)
    await listed(rig)
    for method in ("GET", "GET", "DELETE"):
        async with rig.client.request(method, f"/api/v1/recordings/{id}", headers=rig.admin) as response:
            assert response.status < 300
    entries = (await rig.json("/api/v1/audit?what=recording", headers=rig.admin))["entries"]
    kept = [(entry["what"], entry["target"]) for entry in entries]
    assert sorted(kept) == [("recording.download", id), ("recording.list", ""), ("recording.remove", id)]


async def test_a_stream_says_what_its_recording_does(rig: WebRig) -> None:
    assert (await rig.json("/api/v1/streams/cam", headers=rig.admin))["recording"] is None
    recorded = {name: {**config, "record": True} for name, config in STREAMS.items()}
    rig.registry.apply(parse({"streams": recorded}).streams)
    rig.recordings.apply()
    nothing = {"id": None, "since": None, "bytes": 0, "skipped_units": 0, "problem": ""}
    assert (await rig.json("/api/v1/streams/cam", headers=rig.admin))["recording"] == nothing
    folder = rig.recordings.library.root
    folder.write_text("no folder")
    stream = rig.registry.find("closed")
    publication = stream.publish(Publisher("one", "srt", "192.0.2.1:4000"))
    publication.declare((pictures(3.0)[0].track,))
    await until(lambda: stream.source.has_sinks, "the recorder to come")
    for unit in pictures(3.0):
        publication.write(unit)

    def problem() -> str:
        state = rig.recordings.state(stream)
        return state.problem if state is not None else ""

    await until(problem, "the problem")
    shown = (await rig.json("/api/v1/streams/closed", headers=rig.admin))["recording"]
    assert shown["problem"]
