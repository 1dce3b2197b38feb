"""Against pebble, the ACME server that Let's Encrypt tests clients with."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from ops.certificates.acme import AcmeError, Issuer
from ops.certificates.https import redirect_app
from ops.certificates.tls import Certificate, TlsContext
from tests.ops.certificates.pebble import DOMAIN, Pebble


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    with Pebble(tmp_path_factory.mktemp("pebble")).running() as pebble:
        yield pebble


@asynccontextmanager
async def proving(pebble: Pebble, proofs: dict[str, str]) -> AsyncIterator[None]:
    runner = web.AppRunner(redirect_app(443, proofs))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", pebble.challenge_port).start()
    yield
    await runner.cleanup()


async def test_a_certificate_is_issued_and_kept_to_ourselves(pebble: Pebble, tmp_path: Path) -> None:
    proofs: dict[str, str] = {}
    issuer = Issuer(pebble.settings(folder=tmp_path / "acme"), proofs)
    async with proving(pebble, proofs):
        await asyncio.to_thread(issuer.issue)
        certificate = Certificate.parse(issuer.path.read_bytes())
        assert certificate.names == (DOMAIN,) and "Pebble" in certificate.issuer
        assert TlsContext().use(issuer.path, issuer.path) == certificate
        assert proofs == {}

        kept = {path.name: path.read_bytes() for path in issuer.path.parent.iterdir()}
        assert set(kept) == {"account.pem", f"{DOMAIN}.pem"}
        for path in (*issuer.path.parent.iterdir(), issuer.path.parent, tmp_path / "acme"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path

        # Once more: the same account, another key.
        await asyncio.to_thread(issuer.issue)
        assert (issuer.path.parent / "account.pem").read_bytes() == kept["account.pem"]
        assert issuer.path.read_bytes() != kept[issuer.path.name]


async def test_a_name_that_cannot_be_proved(pebble: Pebble, tmp_path: Path) -> None:
    issuer = Issuer(pebble.settings(folder=tmp_path, domain="other.streamer.test"), {})
    async with proving(pebble, {}):
        with pytest.raises(AcmeError, match=r"127\.0\.0\.1: .*other\.streamer\.test") as caught:
            await asyncio.to_thread(issuer.issue)
    assert "\n" not in str(caught.value)
    assert not issuer.path.exists()


async def test_an_authority_that_is_not_who_it_says(pebble: Pebble, tmp_path: Path) -> None:
    issuer = Issuer(pebble.settings(folder=tmp_path, ca_file=None), {})
    with pytest.raises(AcmeError, match=r"(?i)certificate"):
        await asyncio.to_thread(issuer.issue)


async def test_no_authority_at_all(pebble: Pebble, tmp_path: Path) -> None:
    issuer = Issuer(pebble.settings(folder=tmp_path, directory="https://127.0.0.1:9/dir"), {})
    with pytest.raises(AcmeError, match=r"127\.0\.0\.1: .*refused"):
        await asyncio.to_thread(issuer.issue)


def test_each_directory_has_its_own_folder(pebble: Pebble) -> None:
    one = Issuer(pebble.settings(), {})
    other = Issuer(pebble.settings(directory="https://127.0.0.1/staging"), {})
    assert one.path.parent != other.path.parent
