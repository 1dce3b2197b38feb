import logging
import os
import threading

import pytest

from transport.plane import priority


def test_where_it_may_not_it_goes_on_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[tuple[int, int, int]] = []

    def refuse(*how: int) -> None:
        asked.append((how[0], how[1], how[2]))
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    priority._tell.cache_clear()
    with caplog.at_level(logging.INFO):
        priority.raise_priority()
        priority.raise_priority()
    assert asked == [(os.PRIO_PROCESS, threading.get_native_id(), priority.NICE)] * 2
    assert [record.getMessage() for record in caplog.records] == [
        "media is sent at the priority of everything else: no right to nice -10 (LimitNICE)"
    ]
