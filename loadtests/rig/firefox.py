"""Firefox, driven over its own protocol, Marionette, watching a page of the server."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from loadtests.rig.process import Process, wait_until

#: Names it has, the preferred one first.
PROGRAMS = ["firefox-esr", "firefox"]

_PREFERENCES = {
    "marionette.port": 0,
    # Sound without a click, and not a word to its maker.
    "media.autoplay.default": 0,
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    # Its H.264 for WebRTC is a plugin that it fetches from its maker, or the machine's own, where it
    # deems that good enough: here as well (1 is FEATURE_STATUS_OK of nsIGfxInfo).
    "gfx.blacklist.webrtc.hw.acceleration.h264": 1,
    "media.navigator.mediadatadecoder_h264_enabled": True,
    "media.webrtc.hw.h264.enabled": True,
}
_START_S = 120
_ANSWER_S = 60

_SCRIPT = """
    const answer = arguments[arguments.length - 1];
    const run = async () => %s;
    run().then((value) => answer({ value }), (error) => answer({ error: `${error}` }));
"""
_REPORT = """await (async () => {
    const player = window.streamerPlayer;
    const reports = player?.session?.pc ? [...(await player.session.pc.getStats()).values()] : [];
    const inbound = (kind) => {
        const found = reports.find((report) => report.type === "inbound-rtp" && report.kind === kind);
        return { framesDecoded: found?.framesDecoded, totalAudioEnergy: found?.totalAudioEnergy };
    };
    return { state: player?.state ?? null, problem: player?.problem?.code ?? null, video: inbound("video"),
        audio: inbound("audio"), width: document.querySelector("video")?.videoWidth ?? 0 };
})()"""


def firefox_path() -> str | None:
    """Where it is, None if this machine has none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Firefox(Process):
    """A headless Firefox with a new profile and one page.

    Args:
        preferences: on top of what it needs to be driven.
    """

    def __init__(self, preferences: dict[str, bool | int | str] | None = None) -> None:
        program = firefox_path()
        if program is None:
            raise RuntimeError("no Firefox on this machine; run ops/bootstrap.sh test")
        self._folder = tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True)
        profile = Path(self._folder.name)
        lines = (
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
            for name, value in {**_PREFERENCES, **(preferences or {})}.items()
        )
        (profile / "user.js").write_text("".join(lines))
        self._port = profile / "MarionetteActivePort"
        self._connection: socket.socket | None = None
        self._received = b""
        self._asked = 0
        super().__init__(
            [program, "--headless", "--marionette", "--no-remote", "--profile", str(profile)],
            {"HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1"},
            itself=True,
        )

    def start(self) -> None:
        """Start it and wait until it takes commands."""
        super().start()
        wait_until(lambda: self._port.exists() and self._port.read_text() != "", _START_S, "Firefox to start")
        self._connection = socket.create_connection(("127.0.0.1", int(self._port.read_text())), _ANSWER_S)
        self._message()
        self.ask("WebDriver:NewSession")

    def ask(self, name: str, **parameters: object) -> Any:
        """One command of Marionette's and what it answers.

        Raises:
            RuntimeError: it was refused, or failed.
        """
        assert self._connection is not None
        self._asked += 1
        text = json.dumps([0, self._asked, name, parameters]).encode()
        self._connection.sendall(b"%d:%s" % (len(text), text))
        _, _, error, answer = self._message()
        if error is not None:
            raise RuntimeError(f"{name}: {error['error']}: {error['message']}")
        return answer

    def go(self, url: str) -> None:
        """Open a page, and wait until it has loaded."""
        self.ask("WebDriver:Navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript in the page, which may use `await`.

        Raises:
            RuntimeError: it threw.
        """
        script = _SCRIPT % expression
        answer = self.ask("WebDriver:ExecuteAsyncScript", script=script, args=[], sandbox=None)["value"]
        if "error" in answer:
            raise RuntimeError(f"{expression}: {answer['error']}")
        return answer.get("value")

    def report(self) -> dict[str, Any]:
        """The player's state, its problem's code, and what arrived."""
        report: dict[str, Any] = self.evaluate(_REPORT)
        return report

    def wait_for(
        self, condition: Callable[[dict[str, Any]], bool], timeout_s: float, what: str
    ) -> dict[str, Any]:
        """Wait until a report satisfies a condition; return that report.

        Raises:
            TimeoutError: it did not happen; carries the last report.
        """
        deadline = time.monotonic() + timeout_s
        while not condition(report := self.report()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {timeout_s:g} s for {what}: {report}")
            time.sleep(0.1)
        return report

    def screenshot(self) -> bytes:
        """What the page looks like, a PNG."""
        return base64.b64decode(self.ask("WebDriver:TakeScreenshot", full=False)["value"])

    def _message(self) -> Any:
        length, colon, rest = self._received.partition(b":")
        while not colon or len(rest) < int(length):
            assert self._connection is not None
            more = self._connection.recv(1 << 16)
            if not more:
                raise RuntimeError(f"Firefox has closed its connection:\n{self.output}")
            self._received += more
            length, colon, rest = self._received.partition(b":")
        text, self._received = rest[: int(length)], rest[int(length) :]
        return json.loads(text)

    def __enter__(self) -> Self:
        """Start it."""
        try:
            return super().__enter__()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it and remove its profile."""
        if self._connection is not None:
            self._connection.close()
        super().__exit__(kind, error, traceback)
        self._folder.cleanup()
