"""All that HTTPS takes: the certificate's source, the context, and the plain listener that leads to it."""

from __future__ import annotations

import asyncio
import datetime
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from ops.certificates.tls import CertificateFiles, TlsContext
from streamer.sections.base import split_address
from streamer.sections.http import HttpConfig
from streamer.web.models import CertificateModel
from transport.errors import LinkError
from transport.plane.sockets import explain

if TYPE_CHECKING:
    from ops.certificates.renewal import Renewal

_log = logging.getLogger(__name__)

#: Where an ACME authority looks (RFC 8555 section 8.3).
CHALLENGE_PATH = "/.well-known/acme-challenge"
_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


class Https:
    """TLS of the HTTP listener, as configured; with nothing configured it does nothing.

    Args:
        config: the `[http]` table.
        state_dir: where ACME's account and certificates are kept.

    Raises:
        LinkError: the configured files cannot be used.
    """

    def __init__(self, config: HttpConfig, state_dir: Path) -> None:
        self._config = config
        self._tls = TlsContext() if config.has_tls else None
        self._files: CertificateFiles | None = None
        self._renewal: Renewal | None = None
        self._runner: web.AppRunner | None = None
        self._proofs: dict[str, str] = {}
        if self._tls is None:
            return
        if config.tls_cert is not None and config.tls_key is not None:
            self._files = CertificateFiles(self._tls, config.tls_cert, config.tls_key)
        else:
            # Here, as few let the server get its certificates, and what that takes is long to import.
            from ops.certificates.acme import AcmeSettings, Issuer
            from ops.certificates.renewal import Renewal

            settings = AcmeSettings(
                domain=config.acme_domain,
                email=config.acme_email,
                directory=config.acme_directory,
                ca_file=config.acme_ca_file,
                folder=state_dir / "acme",
            )
            self._renewal = Renewal(self._tls, Issuer(settings, self._proofs))
            self._renewal.load()

    @property
    def context(self) -> ssl.SSLContext | None:
        """For the listener; None for plain HTTP."""
        return self._tls.context if self._tls is not None else None

    @property
    def scheme(self) -> str:
        """Of the listener."""
        return "https" if self._tls is not None else "http"

    @property
    def redirect_address(self) -> tuple[str, int]:
        """Where the plain listener is."""
        assert self._runner is not None
        host, port = self._runner.addresses[0][:2]
        return host, port

    async def start(self, https_port: int) -> None:
        """Open the plain listener, where one is configured.

        Raises:
            LinkError: `unreachable`: its address cannot be had.
        """
        if self._config.redirect_from is None:
            return
        app = redirect_app(https_port, self._proofs)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, *split_address(self._config.redirect_from), backlog=1024).start()
        except OSError as error:
            await runner.cleanup()
            raise taken("http.redirect_from", self._config.redirect_from, error) from None
        self._runner = runner

    async def run(self) -> None:
        """Keep the certificate fresh until cancelled."""
        if self._files is not None:
            await self._files.run()
        elif self._renewal is not None:
            await self._renewal.run()
        else:
            await asyncio.Event().wait()

    def reload(self) -> None:
        """Read the files again, on SIGHUP."""
        if self._files is not None:
            self._files.reload()

    async def close(self) -> None:
        """Close the plain listener."""
        if self._runner is not None:
            await self._runner.cleanup()

    def describe(self) -> CertificateModel:
        """For the API."""
        certificate = self._tls.certificate if self._tls is not None else None
        source = self._files or self._renewal
        last_error = source.last_error if source is not None else ""
        if self._tls is None:
            state = "off"
        elif last_error:
            state = "failed"
        elif certificate is None:
            state = "waiting"
        else:
            is_in_time = certificate.not_before <= datetime.datetime.now(datetime.UTC) < certificate.not_after
            state = "valid" if is_in_time else "expired"
        return CertificateModel(
            source="files" if self._files is not None else "acme" if self._renewal is not None else "",
            state=state,
            names=list(certificate.names) if certificate is not None else [],
            issuer=certificate.issuer if certificate is not None else "",
            not_after=certificate.not_after.timestamp() if certificate is not None else None,
            next_attempt=self._renewal.next_attempt if self._renewal is not None else None,
            last_error=last_error,
        )


def taken(key: str, listen: str, error: OSError) -> LinkError:
    """Why a listener of `[http]` cannot be had; names its key, as several listeners want a port."""
    why = explain(*split_address(listen), socket.SOCK_STREAM, error)
    return LinkError(why.reason, f"{key}: {why}")


def redirect_app(https_port: int, proofs: Mapping[str, str]) -> web.Application:
    """What plain HTTP answers: proofs for an ACME authority, and for the rest the same address with https.

    308, so that a POST stays one (RFC 9110 section 15.4.9).
    """
    app = web.Application()
    app.router.add_get(CHALLENGE_PATH + "/{token}", _show(proofs))
    app.router.add_route("*", "/{path:.*}", _redirect(https_port))
    return app


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _show(proofs: Mapping[str, str]) -> Handler:
    async def show(request: web.Request) -> web.Response:
        proof = proofs.get(request.match_info["token"])
        if proof is None:
            return web.Response(status=404, text="no such token\n")
        return web.Response(text=proof, content_type="application/octet-stream")

    return show


def _redirect(https_port: int) -> Handler:
    async def redirect(request: web.Request) -> web.Response:
        match = _HOST.fullmatch(request.headers.get("Host", ""))
        if match is None:
            return web.Response(status=400, text="expected a Host header\n")
        port = "" if https_port == 443 else f":{https_port}"
        # raw_path begins with a slash or is a full address; the latter must not lead elsewhere.
        path = request.rel_url.raw_path_qs
        return web.Response(status=308, headers={"Location": f"https://{match[1]}{port}{path}"})

    return redirect
