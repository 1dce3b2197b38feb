from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamer.config import parse
from streamer.errors import ConfigError
from streamer.sections.stream import StreamConfig


def finding(**stream: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse({"streams": {"cam": {"record": True, **stream}}})
    (found,) = caught.value.findings
    return found.expected


def test_recordings_are_in_the_state_directory_unless_said() -> None:
    assert parse({}).recording.folder(Path("/state")) == Path("/state/recordings")
    chosen = parse({"recording": {"dir": "/mnt/recordings"}}).recording
    assert chosen.folder(Path("/state")) == Path("/mnt/recordings")
    assert (chosen.file_s, chosen.keep_days, chosen.when_full) == (3600.0, 0.0, "stop")
    assert not StreamConfig().record


@pytest.mark.parametrize(
    "stream, said",
    [
        ({"e2e": True}, "clear_relays = true"),
        ({"on_demand": True, "source": "rtsp://192.0.2.1/1"}, "on_demand"),
    ],
)
def test_what_cannot_be_recorded_is_refused(stream: dict[str, Any], said: str) -> None:
    assert said in finding(**stream)


def test_what_is_encrypted_everywhere_else_is_so_in_files_too() -> None:
    assert not StreamConfig(record=True).seals_recordings
    assert StreamConfig(record=True, record_encrypted=True).seals_recordings
    assert StreamConfig(record=True, e2e=True, clear_relays=True).seals_recordings
    floor = {"record": True, "encryption": "aes-128", "passphrase": "correct horse battery"}
    assert StreamConfig.model_validate(floor).seals_recordings
    # A file is one or the other.
    assert not StreamConfig(record=True).allows_in_place(StreamConfig(record=True, record_encrypted=True))


def test_clear_copies_may_be_allowed() -> None:
    assert parse({"streams": {"cam": {"record": True, "e2e": True, "clear_relays": True}}})


def test_it_begins_and_ends_without_anybody_having_to_leave() -> None:
    assert StreamConfig().allows_in_place(StreamConfig(record=True))
    assert StreamConfig(record=True).allows_in_place(StreamConfig())


@pytest.mark.parametrize("key, value", [("file_s", 1), ("keep_days", -1), ("when_full", "delete")])
def test_values_that_cannot_be(key: str, value: Any) -> None:
    with pytest.raises(ConfigError):
        parse({"recording": {key: value}})
