"""What becomes of a relay when its line, its receiver or its publisher goes away.

A stream goes to a receiver twice, once by a line that is cut. What arrives is kept, and decoded afterwards.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import wait_until
from loadtests.rig.rtmp_recorder import Recording, RtmpRecorder, recordings
from loadtests.rig.server import Server
from loadtests.rig.tcp_line import TcpLine

_KEY = "key-of-the-encoder"
_STREAM = f"""
[streams.cam]
publish_key = "{_KEY}"
public = true
grace_s = 5
"""
_RELAY = """
[[streams.cam.relays]]
name = "{name}"
url = "rtmp://127.0.0.1:{port}/live"
key = "key-of-{name}"
"""
_DIRECT, _BY_LINE = "direct", "by-line"
_SETTLE_S = 5.0
#: So many pictures later it is no accident.
_PICTURES = 5


@dataclass(slots=True)
class Disruptions:
    """One run; seconds until the picture was there again.

    Attributes:
        cut_s, cut_back_s: for how long the line was cut, and what followed.
        receiver_back_s: after the receiver was started again.
        away_s, slate_s, publisher_back_s: for how long nobody published, when a still picture stood in, and
            how long after the publisher's return its picture was back.
        ended: both relays could be ended.
        kept: what the receiver has.
    """

    cut_s: float
    away_s: float
    cut_back_s: float = float("nan")
    receiver_back_s: float = float("nan")
    slate_s: float = float("nan")
    publisher_back_s: float = float("nan")
    ended: bool = False
    kept: list[Recording] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Everything came back, and all that was kept can be decoded."""
        whole = all(each.errors == "" and not each.backwards for each in self.kept)
        return self.ended and bool(self.kept) and whole


def disrupt(cut_s: float, away_s: float) -> Disruptions:
    """Run it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        receiver = RtmpRecorder(folder)
        receiver.start()
        try:
            with TcpLine(receiver.port) as line:
                tables = _RELAY.format(name=_DIRECT, port=receiver.port)
                tables += _RELAY.format(name=_BY_LINE, port=line.port)
                with Server(_STREAM + tables) as server:
                    found = _Run(server, receiver, line, Disruptions(cut_s, away_s)).run()
        finally:
            receiver.stop()
        found.kept = recordings(folder)
    return found


class _Run:
    def __init__(self, server: Server, receiver: RtmpRecorder, line: TcpLine, found: Disruptions) -> None:
        self._server, self._receiver, self._line, self._found = server, receiver, line, found
        self._encoder = ffmpeg_srt(server.srt_port, f"#!::r=cam,m=publish,s={_KEY}", Programme())

    def run(self) -> Disruptions:
        self._encoder.start()
        try:
            self._server.wait_live("cam")
            self._wait(lambda relays: all(each["state"] == "live" for each in relays.values()), "both relays")
            time.sleep(_SETTLE_S)
            self._cut()
            self._restart_receiver()
            self._publisher_leaves()
            self._end()
        finally:
            self._encoder.kill()
        return self._found

    def _cut(self) -> None:
        self._line.cut()
        time.sleep(self._found.cut_s)
        self._line.mend()
        self._found.cut_back_s = self._until_pictures(_BY_LINE)
        time.sleep(_SETTLE_S)

    def _restart_receiver(self) -> None:
        self._receiver.kill()
        time.sleep(_SETTLE_S)
        self._receiver.start()
        began = time.monotonic()
        self._until_pictures(_DIRECT)
        self._until_pictures(_BY_LINE)
        self._found.receiver_back_s = time.monotonic() - began
        time.sleep(_SETTLE_S)

    def _publisher_leaves(self) -> None:
        self._encoder.kill()
        began = time.monotonic()
        self._wait(lambda relays: relays[_DIRECT]["slate"], "the still picture")
        self._found.slate_s = time.monotonic() - began
        time.sleep(max(0.0, self._found.away_s - self._found.slate_s))
        self._encoder.start()
        self._server.wait_live("cam")
        began = time.monotonic()
        self._wait(lambda relays: relays[_DIRECT]["state"] == "live", "the picture")
        self._found.publisher_back_s = time.monotonic() - began
        time.sleep(_SETTLE_S)

    def _end(self) -> None:
        for name in (_DIRECT, _BY_LINE):
            self._server.request("POST", f"/api/v1/relays/cam:{name}/stop")
        self._wait(lambda relays: all(each["state"] == "ended" for each in relays.values()), "the ends")
        self._found.ended = True

    def _until_pictures(self, name: str) -> float:
        began, before = time.monotonic(), self._relays()[name]["statistics"]["pictures_sent"]
        self._wait(
            lambda relays: (
                relays[name]["state"] == "live"
                and relays[name]["statistics"]["pictures_sent"] >= before + _PICTURES
            ),
            f"pictures to {name}",
        )
        return time.monotonic() - began

    def _relays(self) -> dict[str, Any]:
        return {each["name"]: each for each in self._server.request("GET", "/api/v1/relays")[1]["relays"]}

    def _wait(self, condition: Callable[[dict[str, Any]], bool], what: str) -> None:
        wait_until(lambda: condition(self._relays()), 60, what)


def render(found: Disruptions) -> str:
    """As Markdown."""
    rows = {
        f"line cut for {found.cut_s:g} s: picture sent again after": f"{found.cut_back_s:.2f} s",
        "receiver killed: both publish again, from its start": f"{found.receiver_back_s:.2f} s",
        "publisher killed: a still picture stands in after": f"{found.slate_s:.2f} s",
        f"publisher back after {found.away_s:g} s: its picture after": f"{found.publisher_back_s:.2f} s",
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items()), ""]
    lines += [
        "| kept by the receiver | pictures | decoded | times backwards | errors |",
        "|---|---|---|---|---|",
    ]
    for each in found.kept:
        cells = (each.name, each.pictures, each.decoded, each.backwards, each.errors[:80] or "none")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"
