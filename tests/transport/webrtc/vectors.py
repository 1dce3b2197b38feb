"""The offers in tests/vectors/sdp; its README says where they come from."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "vectors" / "sdp"

OFFERS = sorted(path.stem for path in _FOLDER.glob("*.sdp"))


def vector(name: str) -> str:
    """An offer as it was sent, with its carriage returns."""
    return (_FOLDER / f"{name}.sdp").read_bytes().decode()
