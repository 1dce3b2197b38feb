"""An RTMP(S) server for tests: accepts or refuses as told, and keeps every tag."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.transport.rtmp.test_session import RANDOM
from transport.rtmp.flv import file_header, file_tag
from transport.rtmp.server import Connecting, Metadata, Publishing, ServerSession, Tag, Unpublished


class Ingest:
    """Attributes:
    tags: of every publication, in order of arrival.
    ends: how each publication ended: "unpublished" or "hung up".
    """

    def __init__(self) -> None:
        self.port = 0
        self.tags: list[Tag] = []
        self.metadata: list[Metadata] = []
        self.publications: list[Publishing] = []
        self.ends: list[str] = []
        self.refuse_connection = ""
        self.refuse_publication: tuple[str, str] | None = None
        self.changed = asyncio.Condition()
        self.reads = asyncio.Event()  # cleared: accepts and goes silent
        self.reads.set()
        self.sessions: list[tuple[ServerSession, asyncio.StreamWriter]] = []
        self._server: asyncio.Server | None = None
        self._connections: list[tuple[asyncio.Task[None] | None, asyncio.StreamWriter]] = []

    async def start(
        self,
        context: ssl.SSLContext | None = None,
        serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None,
    ) -> Ingest:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections.append((asyncio.current_task(), writer))
            await (serve or self._serve)(reader, writer)

        self._server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.reads.set()
        for task, writer in self._connections:
            writer.transport.abort()
            assert task is not None
            await asyncio.wait([task], timeout=15)
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(15):
                    await writer.wait_closed()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(15), self.changed:
            await self.changed.wait_for(condition)

    def file(self) -> bytes:
        """What came, as an FLV file."""
        return file_header() + b"".join(file_tag(tag.kind, tag.timestamp, tag.body) for tag in self.tags)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = ServerSession(RANDOM, 0.0)
        self.sessions.append((session, writer))
        ended = "hung up"
        try:
            while not session.is_ended and (data := await reader.read(1 << 16)):
                session.receive(data)
                while event := session.next_event():
                    ended = "unpublished" if isinstance(event, Unpublished) else ended
                    self._event(session, event)
                writer.write(session.take_output())
                await writer.drain()
                async with self.changed:
                    self.changed.notify_all()
                await self.reads.wait()
        except OSError:
            pass
        self.ends.append(ended)
        async with self.changed:
            self.changed.notify_all()
        writer.close()

    def _event(self, session: ServerSession, event: object) -> None:
        match event:
            case Connecting():
                if self.refuse_connection:
                    session.reject("told to", self.refuse_connection)
                else:
                    session.accept()
            case Publishing():
                self.publications.append(event)
                if self.refuse_publication:
                    session.reject(*self.refuse_publication)
                else:
                    session.accept()
            case Tag():
                self.tags.append(event)
            case Metadata():
                self.metadata.append(event)


class Authority:
    """A certificate authority of a test's own, in `folder`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._certificate(self._name, self._key, None, days=10)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, *names: str, days: int = 5) -> ssl.SSLContext:
        """A server's side with a certificate for these names, which ends in so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        certificate = self._certificate(subject, key, names, days=days)
        file = self._folder / f"{'-'.join(names)}{days}.pem"
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, names: tuple[str, ...] | None, *, days: int
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=20))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        )
        if names is not None:
            alternatives = [
                x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
                for name in names
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(self._key, hashes.SHA256())
