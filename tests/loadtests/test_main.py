from __future__ import annotations

import sys

import pytest

from loadtests.__main__ import main

#: As in a tree where only what serves is installed.
_LACKING = "playwright"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    for name in [name for name in sys.modules if name == _LACKING or name.startswith("loadtests.")]:
        if name != "loadtests.__main__":
            monkeypatch.delitem(sys.modules, name)
    for name in (_LACKING, f"{_LACKING}.async_api"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(sys, "argv", ["loadtests", *arguments])
    return main()


def test_what_is_not_installed_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "latency") == 2
    said = capsys.readouterr().err
    assert said == "latency needs playwright, which is not installed; run `make setup-test` first\n"


def test_a_program_without_a_browser_needs_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "floor", "--help")
    assert ended.value.code == 0


def test_a_program_that_there_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "ceiling") == 2
    assert "demux-delay|" in capsys.readouterr().err
