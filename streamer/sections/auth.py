"""`[auth]`: how people and programs prove who they are."""

from __future__ import annotations

from streamer.sections.others import OthersConfig


class AuthConfig(OthersConfig):
    """How people and programs prove who they are."""
