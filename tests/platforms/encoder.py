"""An encoder that pushes a small picture and a tone in real time: ffmpeg."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ops.sandbox.reception import Reception
from tests.fakes.wait import until


@asynccontextmanager
async def encoder(
    url: str, *, ca_file: Path | None = None, sound: bool = True
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Pushes from here to the end of the block."""
    tls = ["-tls_verify", "1", "-ca_file", str(ca_file)] if ca_file is not None else []
    process = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin"),
        *("-re", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=15"),
        *(("-re", "-f", "lavfi", "-i", "sine=sample_rate=48000") if sound else ()),
        *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15"),
        *("-pix_fmt", "yuv420p", "-threads", "1", "-c:a", "aac", "-f", "flv", *tls, url),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def until_active(reception: Reception, process: asyncio.subprocess.Process) -> None:
    """The platform would say that it runs."""
    await until(lambda: reception.active or process.returncode is not None, "the encoder")
    assert process.returncode is None, await process.communicate()
