"""What tells this machine from the others that share its database."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

# Where statistics are: they were the first to need it.
_FILE = Path("engagement", "node")
_NAME = re.compile(rb"[0-9a-f]{12}")


def node_name(folder: Path) -> str:
    """This machine's name, 12 hexadecimal digits; made once and kept.

    Args:
        folder: where the server keeps its state.
    """
    path = folder / _FILE
    kept = path.read_bytes() if path.exists() else b""
    if not _NAME.fullmatch(kept.strip()):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Whole or not at all: with half a name, or none, two machines could be taken for one.
        partial = path.with_suffix(".new")
        partial.write_text(secrets.token_hex(6), encoding="ascii")
        partial.replace(path)
    return path.read_text(encoding="ascii").strip()
