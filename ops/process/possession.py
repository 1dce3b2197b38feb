"""One server to a state directory: two would take each other's files away and relay everything twice."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from streamer.errors import ConfigError, Finding

_log = logging.getLogger(__name__)

_FILE = "server.lock"
# A server that is being replaced is gone within 5 s.
_WAIT_S = 8.0
_AGAIN_S = 0.1
_REFUSAL = "another server, process {holder}, uses it; expected a folder for this one alone"


@asynccontextmanager
async def possession(folder: Path, wait_s: float = _WAIT_S, refusal: str = _REFUSAL) -> AsyncIterator[None]:
    """Hold a state directory; the kernel lets go of it with the process, however that ends.

    Args:
        folder: is there.
        wait_s: for a server that is on its way out.
        refusal: what is said when it does not go; `{holder}` is its process.

    Raises:
        ConfigError: another server holds it.
        OSError: it cannot be written into.
    """
    descriptor = os.open(folder / _FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _lock(descriptor, folder, wait_s, refusal)
        yield
    finally:
        os.close(descriptor)


async def _lock(descriptor: int, folder: Path, wait_s: float, refusal: str) -> None:
    until = asyncio.get_running_loop().time() + wait_s
    waited = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", errors="replace").strip() or "unknown"
        except OSError as error:
            # Some network file systems have no locks; the server is no worse off than without.
            _log.warning("nothing keeps a second server out of %s: %s", folder, error.strerror)
            return
        else:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            return
        if asyncio.get_running_loop().time() >= until:
            expected = refusal.format(holder=holder)
            raise ConfigError("configuration", [Finding("state.dir", repr(str(folder)), expected)])
        if not waited:
            _log.warning("waiting for another server, process %s, to let go of %s", holder, folder)
            waited = True
        await asyncio.sleep(_AGAIN_S)
