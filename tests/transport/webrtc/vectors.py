"""What is kept in tests/vectors/sdp and dtls; the READMEs there say where it comes from."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "vectors"

OFFERS = sorted(path.stem for path in (_FOLDER / "sdp").glob("*.sdp"))


def vector(name: str) -> str:
    """An offer as it was sent, with its carriage returns."""
    return (_FOLDER / "sdp" / f"{name}.sdp").read_bytes().decode()


def publishers_vector(name: str) -> str:
    """As `vector`, of somebody who publishes."""
    return (_FOLDER / "sdp_publishing" / f"{name}.sdp").read_bytes().decode()


def client_hello(name: str) -> list[bytes]:
    """A ClientHello as it was sent, by datagram."""
    lines = (_FOLDER / "dtls" / f"{name}-client-hello.hex").read_text().split()
    return [bytes.fromhex(line) for line in lines]
