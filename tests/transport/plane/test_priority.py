import errno
import logging
import os
import threading

import pytest

from transport.plane import priority


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ENOSYS, errno.ESRCH])
def test_where_it_cannot_it_goes_on_and_says_so_once(
    number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[tuple[int, int, int]] = []

    def refuse(*how: int) -> None:
        asked.append((how[0], how[1], how[2]))
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "setpriority", refuse)
    priority._tell.cache_clear()
    with caplog.at_level(logging.INFO):
        priority.raise_priority()
        priority.raise_priority()
    assert asked == [(os.PRIO_PROCESS, threading.get_native_id(), priority.NICE)] * 2
    assert [record.getMessage() for record in caplog.records] == [
        f"media is sent at the priority of everything else: nice -10: {os.strerror(number)} (LimitNICE)"
    ]
