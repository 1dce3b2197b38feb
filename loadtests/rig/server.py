"""A server under test: the real command, with a configuration of its own and ports that are free."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

from loadtests.rig.administrator import admin_token, empty_database
from loadtests.rig.process import Process, wait_until

_CONFIG = """
[http]
listen = "{listen}:{http}"
[state]
dir = "{state}"
[srt]
listen = "127.0.0.1:{srt}"
latency_ms = {latency_ms}
[webrtc]
listen = "{media}:{webrtc}"
cipher = "{cipher}"
{streams}
"""


def free_ports(count: int) -> list[int]:
    """Ports that are free now on 127.0.0.1, for TCP and UDP."""
    sockets: list[socket.socket] = []
    ports: list[int] = []
    try:
        while len(ports) < count:
            tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
            sockets += [tcp, udp]
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
        return ports
    finally:
        for each in sockets:
            each.close()


class Server(Process):
    """`streamer serve` with the given streams.

    Args:
        streams: the `[streams.…]` tables, TOML.
        latency_ms: of the SRT listener.
        host: where it can be reached; with another one than loopback it listens on every address.
        media_host: where viewers get media, "" for `host`.
        inside: makes the command run elsewhere, in a network namespace for example.
        cipher: of the media plane, "auto" or "openssl".
        fresh: whether it makes its own database at the start, and is not handed an empty one.
        itself: whether it is the command itself in any case, for who looks at the process from outside.
    """

    def __init__(
        self,
        streams: str,
        *,
        latency_ms: int = 120,
        host: str = "127.0.0.1",
        media_host: str = "",
        inside: Callable[[Sequence[str]], list[str]] = list,
        cipher: str = "auto",
        fresh: bool = False,
        itself: bool = False,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="streamer-")
        self.folder = Path(self._folder.name)
        self.http_port, self.srt_port, self.webrtc_port = free_ports(3)
        self._latency_ms = latency_ms
        self._cipher = cipher
        self._host = host
        self._media_host = media_host or host
        self.config_path = self.folder / "streamer.toml"
        self._token = ""
        if not fresh:
            state = self.folder / "state"
            state.mkdir(mode=0o700)
            shutil.copy(empty_database(), state)
        self.configure(streams)
        command = [sys.executable, "-m", "ops", "serve", "--config", str(self.config_path)]
        super().__init__(inside(command), itself=itself or fresh)

    @property
    def url(self) -> str:
        """Of the pages, without a slash at the end."""
        return f"http://{self._host}:{self.http_port}"

    @property
    def token(self) -> str:
        """A token to administer with, made when it is first asked for."""
        if not self._token:
            self._token = admin_token(self.config_path)
        return self._token

    def configure(self, streams: str) -> None:
        """Write the configuration; a running server takes it up by itself."""
        text = _CONFIG.format(
            listen=self._host if self._host == "127.0.0.1" else "0.0.0.0",
            media=self._media_host,
            http=self.http_port,
            srt=self.srt_port,
            webrtc=self.webrtc_port,
            state=self.folder / "state",
            latency_ms=self._latency_ms,
            cipher=self._cipher,
            streams=streams,
        )
        partial = self.config_path.with_suffix(".new")
        partial.write_text(text)
        partial.replace(self.config_path)

    def start(self) -> None:
        """Start it and wait until it takes viewers."""
        super().start()
        wait_until(lambda: self._ready() or not self.running, 120, "the server to be ready")
        if not self.running:
            raise RuntimeError(f"the server ended at once:\n{self.output}")

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the API as the administrator, with JSON if there is a body; status and parsed answer."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, method=method, headers=headers, data=data)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                body = answer.read()
                return answer.status, json.loads(body) if body else None
        except urllib.error.HTTPError as error:
            with error:
                body = error.read()
            return error.code, json.loads(body) if body else None

    def metric(self, name: str, **labels: str) -> float:
        """One sample of what Prometheus is shown; asking for it costs a busy server little.

        Raises:
            KeyError: there is none.
        """
        headers = {"Authorization": f"Bearer {self.token}"}
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/metrics", headers=headers), timeout=10
        ) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        for family in families:
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        raise KeyError(f"no sample {name} with {labels}")

    def stream(self, name: str) -> Any:
        """One stream, as the API describes it."""
        return self.request("GET", f"/api/v1/streams/{name}")[1]

    def viewers(self) -> list[Any]:
        """All viewers, as the API describes them."""
        viewers: list[Any] = self.request("GET", "/api/v1/viewers")[1]["viewers"]
        return viewers

    def viewers_over_hls(self) -> list[Any]:
        """All viewers over HTTP, as the API describes them."""
        viewers: list[Any] = self.request("GET", "/api/v1/viewers")[1]["over_hls"]
        return viewers

    def wait_live(self, name: str, timeout_s: float = 20.0) -> None:
        """Wait until a stream shows a picture or sound."""
        wait_until(lambda: self._is_live(name), timeout_s, f"stream {name!r} to be live")

    def wait_free(self, name: str, timeout_s: float = 20.0) -> None:
        """Wait until nobody publishes a stream; who left does until what he sent last was due."""
        wait_until(
            lambda: self.stream(name)["publisher"] is None, timeout_s, f"stream {name!r} to have no publisher"
        )

    def _is_live(self, name: str) -> bool:
        status, stream = self.request("GET", f"/api/v1/streams/{name}")
        if status != 200:  # a changed configuration that is not in force yet
            return False
        known = [bool(track["width"] or track["sample_rate"]) for track in stream["tracks"]]
        return stream["state"] == "live" and bool(known) and all(known)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

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
        """End it and remove its folder."""
        super().__exit__(kind, error, traceback)
        self._folder.cleanup()
