from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from ops.certificates.tls import CertificateFiles, TlsContext
from tests.fakes.wait import until
from tests.ops.certificates.authority import DAY, Authority
from transport.errors import LinkError


class Rig:
    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.chain, self.key = folder / "chain.pem", folder / "key.pem"
        self.tls = TlsContext()

    def renew(self, serial: int) -> None:
        self.authority.issue(self.chain, self.key, "live.test", serial=serial)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = Rig(tmp_path)
    rig.renew(1)
    return rig


@contextlib.asynccontextmanager
async def listening(tls: TlsContext) -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=tls.context)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for _ in range(5):  # the loop's own clearing away after handshakes that failed
        await asyncio.sleep(0)


def client(rig: Rig) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(rig.authority.path))


async def shown(rig: Rig, port: int, context: ssl.SSLContext | None = None) -> tuple[int, str, str]:
    """Serial number, version and suite that a handshake brings."""
    _, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context or client(rig), server_hostname="live.test"
    )
    connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate, suite = connection.getpeercert(), connection.cipher()
    assert certificate is not None and suite is not None
    writer.close()
    with contextlib.suppress(ssl.SSLError, OSError):
        await writer.wait_closed()
    return int(str(certificate["serialNumber"]), 16), connection.version() or "", suite[0]


async def test_a_certificate_is_shown_and_aes_256_comes_first(rig: Rig) -> None:
    certificate = rig.tls.use(rig.chain, rig.key)
    assert certificate.names == ("live.test",) and certificate.issuer == "CN=test authority"
    async with listening(rig.tls) as port:
        assert await shown(rig, port) == (1, "TLSv1.3", "TLS_AES_256_GCM_SHA384")
        older = client(rig)
        older.maximum_version = ssl.TLSVersion.TLSv1_2
        assert await shown(rig, port, older) == (1, "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_what_is_too_old_is_refused(rig: Rig) -> None:
    rig.tls.use(rig.chain, rig.key)
    async with listening(rig.tls) as port:
        older = client(rig)
        older.minimum_version = older.maximum_version = ssl.TLSVersion.TLSv1_1
        older.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, OSError)):
            await shown(rig, port, older)
        weak = client(rig)
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        weak.set_ciphers("AES128-SHA:ECDHE-ECDSA-AES128-SHA")
        with pytest.raises((ssl.SSLError, OSError)):
            await shown(rig, port, weak)


async def test_without_a_certificate_a_handshake_fails_at_once(rig: Rig) -> None:
    async with listening(rig.tls) as port:
        with pytest.raises((ssl.SSLError, OSError)):
            await shown(rig, port)


async def test_a_client_that_names_no_host_is_served_too(rig: Rig) -> None:
    rig.tls.use(rig.chain, rig.key)
    context = client(rig)
    context.check_hostname = False

    def connect(port: int) -> str:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname=None) as connection,
        ):
            return str(connection.version())

    async with listening(rig.tls) as port:
        assert await asyncio.to_thread(connect, port) == "TLSv1.3"


async def test_a_connection_outlives_its_certificate(rig: Rig) -> None:
    rig.tls.use(rig.chain, rig.key)
    async with listening(rig.tls) as port:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client(rig), server_hostname="live.test"
        )
        rig.renew(2)
        rig.tls.use(rig.chain, rig.key)
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"
        assert (await shown(rig, port))[0] == 2
        writer.close()
        await writer.wait_closed()


class TestRefusal:
    def broken(self, rig: Rig, match: str) -> None:
        with pytest.raises(LinkError, match=match):
            rig.tls.use(rig.chain, rig.key)

    def test_a_key_of_another_certificate(self, rig: Rig) -> None:
        rig.authority.issue(rig.chain, rig.chain.with_name("other.pem"), "live.test")
        self.broken(rig, "key values mismatch")

    def test_a_file_that_is_not_there(self, rig: Rig) -> None:
        rig.key.unlink()
        self.broken(rig, "no such file")

    def test_what_is_no_pem(self, rig: Rig) -> None:
        rig.chain.write_text("a certificate")
        self.broken(rig, "expected PEM")

    def test_a_key_with_a_password_asks_nobody(self, rig: Rig) -> None:
        key = serialization.load_pem_private_key(rig.key.read_bytes(), None)
        rig.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
        )
        self.broken(rig, "encrypted")

    def test_the_last_one_stays_in_force(self, rig: Rig) -> None:
        before = rig.tls.use(rig.chain, rig.key)
        rig.key.write_text("nonsense")
        with pytest.raises(LinkError):
            rig.tls.use(rig.chain, rig.key)
        assert rig.tls.certificate is before

    def test_an_expired_one_is_used_with_a_warning(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        rig.authority.issue(rig.chain, rig.key, "live.test", age=40 * DAY)
        rig.tls.use(rig.chain, rig.key)
        assert "has expired" in caplog.text

    def test_one_that_is_not_valid_yet_is_used_with_a_warning(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        rig.authority.issue(rig.chain, rig.key, "live.test", age=-DAY)
        rig.tls.use(rig.chain, rig.key)
        assert "is not valid before" in caplog.text

    def test_that_its_end_comes_is_said_while_it_runs_and_that_it_came(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        now = time.time()
        tls = TlsContext(clock=lambda: now)
        certificate = tls.use(rig.chain, rig.key)
        tls.remind()
        assert caplog.text == ""
        for days, said in ((-6.9, "expires soon"), (0.1, "has expired")):
            now = (certificate.not_after + days * DAY).timestamp()
            tls.remind()
            tls.remind()
            assert caplog.text.count(said) == 1
        assert len(caplog.records) == 2
        rig.renew(2)
        now = time.time()
        tls.use(rig.chain, rig.key)
        assert (tls.trouble, len(caplog.records)) == ("", 2)


class TestFiles:
    async def until(self, condition: Callable[[], bool], change: Callable[[], None]) -> None:
        """Make the change again until it was seen: a watch takes a moment to begin."""
        for _ in range(100):
            change()
            for _ in range(20):
                if condition():
                    return
                await asyncio.sleep(0.02)
        raise AssertionError("the change was not seen")

    async def test_a_changed_pair_is_taken_up_and_a_broken_one_is_not(self, rig: Rig) -> None:
        files = CertificateFiles(rig.tls, rig.chain, rig.key)
        watching = asyncio.create_task(files.run())
        serial = 1

        def renew() -> None:
            nonlocal serial
            serial += 1
            rig.renew(serial)

        try:
            async with listening(rig.tls) as port:
                first = rig.tls.certificate
                await self.until(lambda: rig.tls.certificate is not first, renew)
                assert (await shown(rig, port))[0] > 1

                await self.until(
                    lambda: bool(files.last_error), lambda: rig.key.write_text(f"broken {serial}")
                )
                assert "key.pem" in files.last_error
                assert (await shown(rig, port))[0] > 1

                await self.until(lambda: not files.last_error, renew)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def test_links_to_files_that_are_written_elsewhere(self, rig: Rig) -> None:
        elsewhere = rig.chain.parent / "elsewhere"
        elsewhere.mkdir()
        for path in (rig.chain, rig.key):
            path.rename(elsewhere / path.name)
            path.symlink_to(elsewhere / path.name)
        files = CertificateFiles(rig.tls, rig.chain, rig.key)
        watching = asyncio.create_task(files.run())
        before = rig.tls.certificate
        rig.renew(2)  # through the links
        try:
            await until(lambda: rig.tls.certificate is not before)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    def test_a_key_that_may_be_read_again(self, rig: Rig) -> None:
        files = CertificateFiles(rig.tls, rig.chain, rig.key)
        before = files._stamp()
        rig.key.chmod(0o400)
        assert files._stamp() != before

    def test_reload_on_demand(self, rig: Rig) -> None:
        files = CertificateFiles(rig.tls, rig.chain, rig.key)
        before = rig.tls.certificate
        rig.renew(2)
        assert files.reload() and rig.tls.certificate is not before
        rig.chain.write_text("")
        assert not files.reload()
        assert "expected PEM" in files.last_error

    def test_files_that_cannot_be_used_stop_the_start(self, rig: Rig) -> None:
        rig.key.write_text("")
        with pytest.raises(LinkError):
            CertificateFiles(rig.tls, rig.chain, rig.key)
