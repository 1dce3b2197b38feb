"""Configurations and stream ids that the behaviour tests share."""

from __future__ import annotations

KEY = "key-of-the-encoder"
PASSPHRASE = "correct horse battery"

ENCRYPTED = f"""
[streams.cam]
source = "publish"
publish_key = "{KEY}"
passphrase = "{PASSPHRASE}"
pbkeylen = 32
public = true
"""

OPEN = f"""
[streams.cam]
publish_key = "{KEY}"
public = true
"""


def stream_id(name: str = "cam", key: str = KEY) -> str:
    """The access-control form of a publisher's stream id."""
    return f"#!::r={name},m=publish,u=encoder,s={key}"
