"""`[vault]`: where the master key comes from that every stored secret is sealed with."""

from __future__ import annotations

from pydantic import field_validator, model_validator

from streamer.sections.base import Section


class VaultConfig(Section):
    """A file in the state directory unless said; else an environment variable, or what a command prints."""

    key_env: str = ""
    key_command: tuple[str, ...] = ()

    @field_validator("key_env")
    @classmethod
    def _no_setting(cls, name: str) -> str:
        if name.upper().startswith("STREAMER_"):
            raise ValueError(
                "expected a variable whose name does not begin with STREAMER_: those are settings"
            )
        return name

    @model_validator(mode="after")
    def _one_source(self) -> VaultConfig:
        if self.key_env and self.key_command:
            raise ValueError("expected either key_env or key_command")
        return self
