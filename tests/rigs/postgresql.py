"""A PostgreSQL cluster of the tests' own: Debian's programs, a temporary folder, an ephemeral port."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from tests.fakes.wait import wait_until
from tests.rigs.processes import as_user, folder, free_port, running

PASSWORD = "cluster: p@ss/word"


@dataclass(frozen=True)
class Cluster:
    port: int

    def url(self, database: str = "postgres", password: str = PASSWORD) -> URL:
        return URL.create("postgresql", "streamer", password, "127.0.0.1", self.port, database)


def programs() -> Path:
    """Debian keeps each version's programs in a folder of its own."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "PostgreSQL is missing; ops/bootstrap.sh test installs it"
    return found[-1].parent


@contextmanager
def cluster() -> Iterator[Cluster]:
    bin = programs()
    with folder("postgres") as home:
        (home / "password").write_text(PASSWORD + "\n", encoding="ascii")
        (home / "password").chmod(0o644)
        subprocess.run(
            as_user("postgres", bin / "initdb", "--pgdata", home / "data", "--username", "streamer",
                    "--pwfile", home / "password", "--auth", "scram-sha-256", "--encoding", "UTF8",
                    "--locale", "C", "--no-sync"),
            check=True, capture_output=True, cwd="/",
        )  # fmt: skip
        port = free_port()
        # What survives a power cut is of no interest here, and costs time.
        settings = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "",
            "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": 50,
        }  # fmt: skip
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        log = home / "log"
        with running(as_user("postgres", bin / "postgres", "-D", home / "data", *options), log) as process:
            ready = [str(bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
            wait_until(
                lambda: process.poll() is not None or subprocess.run(ready).returncode == 0, "PostgreSQL"
            )
            assert process.poll() is None, log.read_text(encoding="utf-8")
            yield Cluster(port)
            # At once, without waiting for clients.
            process.send_signal(signal.SIGINT)
