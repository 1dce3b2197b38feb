"""Let's Encrypt's own ACME server for tests, and its DNS that knows every name as this machine."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from loadtests.rig.process import Process, wait_until
from loadtests.rig.server import free_ports
from ops.certificates.acme import AcmeSettings
from tests.ops.certificates.authority import Authority

DOMAIN = "live.streamer.test"


class Pebble:
    """Running inside the context.

    Attributes:
        directory: its address.
        challenge_port: where it looks for proofs, in place of port 80.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.challenge_port, self._port, self._management, self._dns, self._dns_control = free_ports(5)
        self.directory = f"https://127.0.0.1:{self._port}/dir"
        self._authority = Authority(folder, "pebble")
        chain, key = folder / "pebble-chain.pem", folder / "pebble-key.pem"
        self._authority.issue(chain, key, "127.0.0.1")
        self._config = folder / "pebble.json"
        settings = {
            "listenAddress": f"127.0.0.1:{self._port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(chain),
            "privateKey": str(key),
            "httpPort": self.challenge_port,
            "tlsPort": 5001,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
        self._config.write_text(json.dumps({"pebble": settings}))

    def settings(self, **more: object) -> AcmeSettings:
        chosen: dict[str, object] = {
            "domain": DOMAIN,
            "email": "operator@streamer.test",
            "directory": self.directory,
            "ca_file": self._authority.path,
            "folder": self.folder / "acme",
        }
        return AcmeSettings(**{**chosen, **more})  # type: ignore[arg-type]

    @property
    def ca_file(self) -> Path:
        return self._authority.path

    @contextmanager
    def running(self) -> Iterator[Pebble]:
        names = [
            "pebble-challtestsrv",
            *("-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""),
            *("-dns01", f"127.0.0.1:{self._dns}", "-management", f"127.0.0.1:{self._dns_control}"),
            *("-http01", "", "-https01", "", "-tlsalpn01", ""),
        ]
        command = ["pebble", "-config", str(self._config), "-dnsserver", f"127.0.0.1:{self._dns}"]
        # A tenth of all nonces are refused, as a busy authority may.
        environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "10"}
        with ExitStack() as stack:
            stack.enter_context(Process(names))
            stack.enter_context(Process(command, environment))
            wait_until(self._answers, 20, "pebble to answer")
            yield self

    def _answers(self) -> bool:
        context = ssl.create_default_context(cafile=str(self._authority.path))
        try:
            with (
                socket.create_connection(("127.0.0.1", self._port), 1) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1"),
            ):
                return True
        except OSError:
            return False
