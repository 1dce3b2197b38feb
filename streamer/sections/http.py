"""`[http]`: where pages, API and WHEP are served, and over which certificate."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, field_validator, model_validator

from streamer.sections.base import ListenAddress, Network, Section

_DOMAIN = re.compile(
    r"(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,62}"
)
_PUBLIC = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")
# CSP's host-source and scheme-source, without a path (CSP level 3, section 2.3.1).
_ANCESTOR = re.compile(r"(https?:|(https?://)?(\*\.)?[A-Za-z0-9.\-]+(:[0-9]+|:\*)?)")


def _cors_origin(text: str) -> str:
    if text != "*" and not _ORIGIN.fullmatch(text):
        raise ValueError('expected "*" or an origin as browsers send it, for example https://www.example.com')
    return text


def _ancestor(text: str) -> str:
    if text not in ("*", "self", "none") and not _ANCESTOR.fullmatch(text):
        raise ValueError('expected "*", "self", "none" or a site, for example https://*.example.com')
    return text


Origin = Annotated[str, AfterValidator(_cors_origin)]
Ancestor = Annotated[str, AfterValidator(_ancestor)]


class HttpConfig(Section):
    """Pages, API and WHEP; over TLS when there is a certificate, from files or by ACME (RFC 8555)."""

    listen: ListenAddress = "127.0.0.1:8080"
    public_url: str = ""
    cors_origins: tuple[Origin, ...] = ("*",)
    frame_ancestors: tuple[Ancestor, ...] = ("*",)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    redirect_from: ListenAddress | None = None
    trusted_proxies: tuple[Network, ...] = ("127.0.0.0/8", "::1/128")
    acme_domain: str = ""
    acme_email: str = ""
    acme_directory: str = "https://acme-v02.api.letsencrypt.org/directory"
    acme_ca_file: Path | None = None

    @field_validator("public_url")
    @classmethod
    def _origin(cls, url: str) -> str:
        if url and not _PUBLIC.fullmatch(url):
            raise ValueError("expected how browsers reach this server, for example https://live.example.com")
        return url.rstrip("/").lower()

    @field_validator("acme_domain")
    @classmethod
    def _domain(cls, domain: str) -> str:
        if domain and not _DOMAIN.fullmatch(domain):
            raise ValueError("expected a host name with a dot, for example live.example.com")
        return domain.lower()

    @field_validator("acme_directory")
    @classmethod
    def _directory(cls, url: str) -> str:
        if not url.startswith("https://"):
            raise ValueError("expected the https:// address of an ACME directory")
        return url

    @model_validator(mode="after")
    def _one_certificate(self) -> HttpConfig:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("expected tls_cert and tls_key together")
        if self.acme_domain and self.tls_cert is not None:
            raise ValueError("expected either tls_cert and tls_key or acme_domain")
        if self.acme_domain and self.redirect_from is None:
            raise ValueError(
                "acme_domain is proved over plain HTTP; expected redirect_from, "
                'for example "0.0.0.0:80", where the certificate authority finds port 80'
            )
        if self.redirect_from is not None and not self.has_tls:
            raise ValueError("redirect_from needs TLS; expected tls_cert and tls_key, or acme_domain")
        return self

    @property
    def origin(self) -> str:
        """How browsers reach this server, as far as it is known; "" when only they know."""
        if self.public_url or not self.acme_domain:
            return self.public_url
        port = self.listen.rpartition(":")[2]
        return f"https://{self.acme_domain}" + ("" if port == "443" else f":{port}")

    @property
    def has_tls(self) -> bool:
        """Whether `listen` speaks TLS."""
        return self.tls_cert is not None or bool(self.acme_domain)
