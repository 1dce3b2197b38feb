"""The server, with a meter on all that engagement does: `python -m loadtests.audience.metered FILE serve …`.

What is added up is processor time of the threads that do it: of the event loop, in every step of the beat,
the delivery and a player's report; of the threads that write to the disk and the database. The sum goes to
FILE, in seconds, five times a second.
"""

from __future__ import annotations

import sys
import threading
import time
import types
from collections.abc import Callable, Coroutine, Generator
from functools import wraps
from pathlib import Path
from typing import Any

from aiosqlite.core import Connection

from streamer.engagement import checkpoint
from streamer.engagement.audience import Audience
from streamer.engagement.batch import Batch
from streamer.engagement.collector import Collector, Delivery
from streamer.engagement.reception import Reception
from streamer.engagement.spool import Spool
from streamer.web.analytics.live import LiveFace

_WRITE_EVERY_S = 0.2


class Meter:
    """Adds up. What runs inside of something metered counts once."""

    def __init__(self) -> None:
        self.spent_s = 0.0
        self._lock = threading.Lock()
        self._inside = threading.local()

    def __enter__(self) -> None:
        depth = getattr(self._inside, "depth", 0)
        self._inside.depth = depth + 1
        if not depth:
            self._inside.began = time.thread_time()

    def __exit__(self, *_: object) -> None:
        self._inside.depth -= 1
        if not self._inside.depth:
            with self._lock:
                self.spent_s += time.thread_time() - self._inside.began

    def plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that is metered."""

        @wraps(function)
        def metered(*arguments: Any, **named: Any) -> Any:
            with self:
                return function(*arguments, **named)

        return metered

    def stepped(self, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        """A coroutine function that is metered while it runs, and not while it waits."""

        @wraps(function)
        async def metered(*arguments: Any, **named: Any) -> Any:
            return await self._steps(function(*arguments, **named))

        return metered

    @types.coroutine
    def _steps(self, inner: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        value: Any = None
        error: BaseException | None = None
        while True:
            with self:
                try:
                    wanted = inner.send(value) if error is None else inner.throw(error)
                except StopIteration as stop:
                    return stop.value
            value = error = None
            try:
                value = yield wanted
            except BaseException as thrown:  # a cancellation: it is the coroutine's
                error = thrown


def install(meter: Meter) -> None:
    """Meter everything that there would not be without engagement."""
    plain: tuple[tuple[Any, tuple[str, ...]], ...] = (
        (Audience, ("arrive", "watching", "measured", "reported", "leave")),
        (Reception, ("arrive", "left")),
        (Batch, ("serialize",)),
        (Spool, ("put", "oldest", "remove")),
        (checkpoint, ("write",)),
    )
    for where, names in plain:
        for name in names:
            setattr(where, name, meter.plain(getattr(where, name)))
    for where, name in ((Collector, "beat"), (Delivery, "_deliver"), (LiveFace, "beacon")):
        setattr(where, name, meter.stepped(getattr(where, name)))
    execute: Any = Connection._execute

    # The database's thread; with nobody signing in, nothing else asks it.
    async def metered(self: Connection, fn: Any, *arguments: Any, **named: Any) -> Any:
        return await execute(self, meter.plain(fn), *arguments, **named)

    setattr(Connection, "_execute", metered)  # noqa: B010 - mypy takes it for another type


def main() -> None:
    """The server's command."""
    file = Path(sys.argv.pop(1))
    meter = Meter()
    install(meter)

    def write() -> None:
        while True:
            partial = file.with_suffix(".new")
            partial.write_text(f"{meter.spent_s:.6f}")
            partial.replace(file)
            time.sleep(_WRITE_EVERY_S)

    threading.Thread(target=write, daemon=True).start()
    from ops.cli import app

    app()


if __name__ == "__main__":
    main()
