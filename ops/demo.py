"""`streamer demo`: a server with one stream, and an encoder that pushes a generated picture and tone into it.

The encoder is ffmpeg calling the same SRT listener that any encoder would, with a passphrase and AES-256.
Nothing of it is built in: the configuration it writes is an ordinary one, to look at and to start from.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import shutil
import sys
from pathlib import Path

from streamer.config import Config
from streamer.sections.base import split_address

_log = logging.getLogger(__name__)

_CONFIG = """\
# Written by `streamer demo`; an ordinary configuration. Serve it with: streamer serve --config {path}
[http]
listen = "127.0.0.1:8080"

[state]
dir = {state}

[srt]
listen = "127.0.0.1:8890"

# Not 127.0.0.1, from which Firefox takes no media. Who was not let in over HTTP gets no answer here.
[webrtc]
listen = "0.0.0.0:8189"

[streams.demo]
title = "Test picture and tone"
publish_key = "{key}"
passphrase = "{passphrase}"
pbkeylen = 32
public = true
"""


def write_config(folder: Path) -> Path:
    """Make the demo's configuration, with secrets of its own, unless it is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "streamer.toml"
    if not path.exists():
        # A JSON string is a TOML string too, whatever the folder is called.
        state = json.dumps(str(folder / "state"), ensure_ascii=False)
        text = _CONFIG.format(
            path=path, state=state, key=secrets.token_hex(16), passphrase=secrets.token_hex(16)
        )
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    return path


def encoder_command(config: Config) -> list[str]:
    """The ffmpeg command line that publishes the demo stream."""
    stream = config.streams["demo"]
    assert stream.publish_key is not None
    assert stream.passphrase is not None
    host, port = split_address(config.srt.listen)
    return [
        *("ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin"),
        *("-re", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30"),
        # A beep each second: easy to hear, and to see whether it fits the picture.
        *("-re", "-f", "lavfi", "-i", "sine=frequency=330:beep_factor=3:sample_rate=48000"),
        *("-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "high"),
        *("-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k", "-g", "60", "-pix_fmt", "yuv420p"),
        *("-c:a", "aac", "-b:a", "128k", "-ac", "2"),
        # Options rather than parts of the address, which ffmpeg prints when it cannot connect.
        *("-passphrase", stream.passphrase.get_secret_value(), "-pbkeylen", str(stream.pbkeylen)),
        *("-srt_streamid", f"#!::r=demo,m=publish,s={stream.publish_key.get_secret_value()}"),
        *("-f", "mpegts", f"srt://{host}:{port}?mode=caller&transtype=live&pkt_size=1316"),
    ]


async def run_encoder(config: Config) -> None:
    """Keep the encoder running until cancelled."""
    if shutil.which("ffmpeg") is None:
        _log.error("the demo's encoder is ffmpeg, which is not installed; run ops/bootstrap.sh")
        return
    while True:
        process = await asyncio.create_subprocess_exec(*encoder_command(config), stdout=sys.stderr)
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        _log.warning("the demo's encoder ended with code %d; starting it again", code)
        await asyncio.sleep(1.0)
