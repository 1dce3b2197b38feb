"""The command with a state directory of its own, in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from click.testing import Result
from typer.testing import CliRunner

from ops.cli import app
from ops.identity.identity import Identity, open_identity
from streamer.config import load

_Found = TypeVar("_Found")


class Commands:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "streamer.toml"
        self.path.write_text(f'[state]\ndir = "{folder / "state"}"\n[streams.cam]\n')
        self._runner = CliRunner()

    def run(self, *arguments: str, stdin: str = "") -> Result:
        return self._runner.invoke(app, [*arguments, "--config", str(self.path)], input=stdin)

    def __call__(self, *arguments: str, stdin: str = "") -> list[str]:
        """What a command prints that must succeed, in lines."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()

    def refused(self, *arguments: str, stdin: str = "") -> str:
        """What a command says that must fail, on stderr alone."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        return result.stderr

    def look(self, work: Callable[[Identity], Awaitable[_Found]]) -> _Found:
        async def run() -> _Found:
            identity = await open_identity(load(self.path))
            try:
                return await work(identity)
            finally:
                await identity.close()

        return asyncio.run(run())

    def audited(self, what: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self("audit", "export", "--what", what)]
