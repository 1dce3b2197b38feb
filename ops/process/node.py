"""What tells this machine from the others that share its database."""

from __future__ import annotations

import secrets
from pathlib import Path

# Where statistics are: they were the first to need it.
_FILE = Path("engagement", "node")


def node_name(folder: Path) -> str:
    """This machine's name, 12 hexadecimal digits; made once and kept.

    Args:
        folder: where the server keeps its state.
    """
    path = folder / _FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(secrets.token_hex(6), encoding="ascii")
    return path.read_text(encoding="ascii").strip()
