from __future__ import annotations

import pytest

from streamer.recording.errors import NoSuchRecording
from streamer.recording.names import began_at, is_stamp, join, split, stamp


def test_a_time_is_written_and_read() -> None:
    assert stamp(1_795_816_800.123) == "2026-11-27T22-00-00.123Z"
    id = join("studio.1", stamp(1_795_816_800.123))
    assert id == "studio.1@2026-11-27T22-00-00.123Z"
    assert split(id) == ("studio.1", "2026-11-27T22-00-00.123Z")
    assert began_at(id) == pytest.approx(1_795_816_800.123)


def test_names_sort_as_their_times_do() -> None:
    times = [0.0, 0.999, 1.0, 1_795_816_800.0, 1_795_816_800.001, 4_000_000_000.0]
    assert sorted(map(stamp, times)) == list(map(stamp, times))


@pytest.mark.parametrize(
    "id",
    [
        "",
        "cam",
        "cam@",
        "cam@2026-11-27T22-00-00.123Z.mp4",
        "cam@2026-11-27T22-00-00.123Z\n",
        "../cam@2026-11-27T22-00-00.123Z",
        "..@2026-11-27T22-00-00.123Z",
        "a/b@2026-11-27T22-00-00.123Z",
        "cam@../2026-11-27T22-00-00.123Z",
        "cam@2026-11-27T22-00-00.123Z/../../x",
        "cam\0@2026-11-27T22-00-00.123Z",
        "cam@²026-11-27T22-00-00.123Z",
        "@2026-11-27T22-00-00.123Z",
    ],
)
def test_what_could_lead_elsewhere_is_no_id(id: str) -> None:
    with pytest.raises(NoSuchRecording):
        split(id)


def test_a_day_that_is_none() -> None:
    assert is_stamp("2026-13-41T22-00-00.123Z")
    with pytest.raises(NoSuchRecording):
        began_at("cam@2026-13-41T22-00-00.123Z")
