from __future__ import annotations

import pytest

from loadtests import floor


def test_it_sends_runs_and_tells_what_they_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert floor.main(["--viewers", "40", "--packets", "5", "--seconds", "0.1"]) == 0
    cut, whole, paced = capsys.readouterr().out.split("; ")
    used, _, rest = cut.partition(" ")
    assert rest == "µs of processor time per packet, 5 packets a run"
    least, _, rest = whole.partition(" ")
    assert rest == "where runs are taken as they are"
    most, _, rest = paced.partition(" ")
    assert rest == "with 30 runs a second to each\n"
    assert float(used) > 0 and float(least) > 0 and float(most) > 0


@pytest.mark.parametrize("wrong", [["--viewers", "0"], ["--packets", "51"], ["--seconds", "0"]])
def test_what_cannot_be_measured_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        floor.main(wrong)
    assert "1 to 50 packets a run" in capsys.readouterr().err
