"""`[auth]`: how people and programs prove who they are."""

from __future__ import annotations

from streamer.sections.others import OthersConfig
from streamer.sections.signing_in import SignInConfig


class AuthConfig(SignInConfig, OthersConfig):
    """How people and programs prove who they are."""
