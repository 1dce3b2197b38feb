"""`[cluster]`: streams that machines fetch from each other."""

from __future__ import annotations

from pydantic import SecretStr, field_validator, model_validator

from streamer.sections.base import Section
from transport.errors import WireError
from transport.srt.options import PASSPHRASE_BYTES
from transport.srt.wire import parse_srt_url

_EVERY_ADDRESS = ("0.0.0.0", "::")


class ClusterConfig(Section):
    """How the other machines of `[redis]` reach this one for a stream that is published here.

    Attributes:
        secret: what machines encrypt with among themselves, and know each other by; without it each shows
            only what is published to itself.
        advertise: host and port of this machine's `srt.listen`, as the others reach it.
    """

    secret: SecretStr | None = None
    advertise: str = ""

    @field_validator("secret")
    @classmethod
    def _length(cls, secret: SecretStr | None) -> SecretStr | None:
        size = len(secret.get_secret_value().encode()) if secret is not None else None
        if size is not None and size not in PASSPHRASE_BYTES:
            shortest, longest = PASSPHRASE_BYTES[0], PASSPHRASE_BYTES[-1]
            raise ValueError(f"expected {shortest}-{longest} bytes, these are {size}")
        return secret

    @field_validator("advertise")
    @classmethod
    def _address(cls, address: str) -> str:
        return srt_address(address) if address else ""

    @model_validator(mode="after")
    def _whole(self) -> ClusterConfig:
        if (self.secret is None) != (not self.advertise):
            raise ValueError("expected both secret and advertise, or neither")
        return self

    @property
    def host(self) -> str:
        """Of `advertise`."""
        return parse_srt_url(f"srt://{self.advertise}").host if self.advertise else ""


def srt_address(address: str) -> str:
    """Check where a machine says it is reached over SRT; returns it as it is.

    Raises:
        ValueError: it is no host and port.
    """
    try:
        target = parse_srt_url(f"srt://{address}")
    except WireError:
        target = None
    if target is None or not target.host or "?" in address:
        raise ValueError('expected a host and a port, as "10.0.0.5:8890"')
    if target.host in _EVERY_ADDRESS:
        raise ValueError(f"expected an address that others reach; {target.host} is only one to listen on")
    return address
