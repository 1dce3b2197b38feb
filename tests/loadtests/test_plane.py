from __future__ import annotations

import pytest

from loadtests import plane
from transport.media import AccessUnit
from transport.plane.interface import PlaneOptions


class Written:
    """A feed that keeps what is written."""

    def __init__(self) -> None:
        self.units: list[AccessUnit] = []

    def write(self, unit: AccessUnit) -> None:
        self.units.append(unit)


def test_every_viewer_gets_the_programme():
    cost = plane.measure(viewers=3, mbps=1.0, seconds=0.5, options=PlaneOptions(threads=1))
    # 15 pictures of 4167 bytes, give or take 7 %, and the 24 bits of sound until the last of them.
    assert cost.packets == 3 * (15 * 4 + 24)
    assert cost.cipher
    assert cost.us_per_packet > 0
    assert 0 < cost.p50_ms <= cost.p99_ms <= cost.max_ms


def test_the_programme_has_the_rate_it_should_and_one_keyframe():
    video, audio = Written(), Written()
    plane.write_programme(video, audio, 2.0, 0.5, from_s=1.0)  # type: ignore[arg-type]
    assert len(video.units) == 15
    assert len(audio.units) == 24
    assert [unit.keyframe for unit in video.units] == [True] + [False] * 14
    assert sum(len(unit.data) for unit in video.units) == pytest.approx(2e6 / 8 * 0.5, rel=0.07)
    assert [units[0].pts_s for units in (video.units, audio.units)] == [1.0, 1.0]
    assert all(b"\0\0\0\1" not in unit.data[4:] for unit in video.units)


def test_its_table_names_what_ran():
    cost = plane.Cost("openssl", 1000, 2.5, 1.25, 3.5, 4.0)
    assert "| openssl | 1000 | **2.50** | 1.2/3.5/4.0 |" in plane.table([cost])


@pytest.mark.parametrize(
    "wrong", [["--viewers", "0"], ["--mbps", "0"], ["--seconds", "0"], ["--threads", "-1"]]
)
def test_what_cannot_be_measured_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        plane.main(wrong)
    assert "expected viewers, Mb/s and at least 1/30 s" in capsys.readouterr().err
