"""What the commands share: an open database, and one way in which they fail.

They change the database directly, beside a server that may be running on it, which takes notice within a
second. Results go to stdout, what went wrong to stderr; the exit status is then 2.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from auth.accounts.accounts import Account
from auth.errors import AuthError
from auth.permissions.actions import Action, Role
from auth.permissions.patterns import EVERYTHING, matches
from auth.permissions.principals import Kind
from ops.identity.identity import Identity, open_identity
from ops.process.possession import possession
from ops.process.printable import printable
from streamer.config import load
from streamer.errors import StreamerError

_Result = TypeVar("_Result")

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The configuration, a TOML file.")]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# A hundred years, as the API; what ends after the year 9999 cannot be shown.
_MAX_DURATION_S = 36_500 * 86400.0
_OLDER_SERVER = (
    "a server of an older version, process {holder}, runs on it; expected it to be restarted first, "
    "which brings the database up to date"
)


def on_database(path: Path, work: Callable[[Identity], Awaitable[_Result]]) -> _Result:
    """Do something on the database of a configuration.

    Raises:
        typer.Exit: with status 2, after saying what is wrong.
    """

    async def run() -> _Result:
        config = load(path)
        folder = config.state.dir
        identity = await open_identity(config, alone=lambda: possession(folder, 0.0, _OLDER_SERVER))
        try:
            return await work(identity)
        finally:
            await identity.close()

    try:
        return asyncio.run(run())
    except (StreamerError, AuthError, OSError, ValueError) as error:
        typer.echo(f"streamer: {printable(str(error), keep=chr(10))}", err=True)
        raise typer.Exit(2) from None


def tell_unmatched(path: Path, patterns: Sequence[str]) -> None:
    """Say which patterns no stream of a configuration matches: one may come, or a name is misspelt."""
    names = load(path).streams
    for pattern in patterns:
        if pattern != EVERYTHING and not any(matches(pattern, name) for name in names):
            said = printable(f"streamer: {path} has no stream {pattern!r} now; once there is one, it counts")
            typer.echo(said, err=True)


def seconds(text: str) -> float:
    """A duration as people write it: 90s, 15m, 1h, 7d.

    Raises:
        typer.BadParameter: something else.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or float(match[1]) <= 0:
        raise typer.BadParameter(f"{text!r}: expected a duration such as 90s, 15m, 1h or 7d")
    duration_s = float(match[1]) * _UNITS_S[match[2]]
    if duration_s > _MAX_DURATION_S:
        raise typer.BadParameter(f"{text!r}: expected at most {_MAX_DURATION_S / _UNITS_S['d']:.0f}d")
    return duration_s


def moment(text: str) -> datetime:
    """A time as people write it, UTC unless it says otherwise.

    Raises:
        typer.BadParameter: something else.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}: expected a time such as 2026-01-31 or 2026-01-31T18:30:00"
        ) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def action(text: str) -> Action:
    """What a token allows.

    Raises:
        typer.BadParameter: something else.
    """
    if text not in set(Action):
        raise typer.BadParameter(f"{text!r}: expected one of {', '.join(Action)}")
    return Action(text)


def role_or_action(text: str) -> Role | Action:
    """What a grant is of.

    Raises:
        typer.BadParameter: something else.
    """
    for kind in (Role, Action):
        if text in set(kind):
            return kind(text)
    known = ", ".join([*Role, *Action])
    raise typer.BadParameter(f"{text!r}: expected a role or an action, one of {known}")


def day(at: float | None) -> str:
    """A time as lists show it; "-" for none."""
    if at is None:
        return "-"
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # beyond the calendar; one of them must not hide the others
        return "never"


def in_from_now(duration_s: float | None) -> float | None:
    """When something ends that lasts so long; None for what does not end."""
    return None if duration_s is None else time.time() + duration_s


def table(rows: list[tuple[str, ...]]) -> None:
    """Print rows in columns. What is in them may come from strangers."""
    if not rows:
        return
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(line.rstrip())


async def named(identity: Identity, name: str, *kinds: Kind) -> Account:
    """The account or group of a name.

    Raises:
        NoSuchPrincipal: there is none.
        ValueError: it is of another kind.
    """
    account = await identity.accounts.named(name)
    if kinds and account.kind not in kinds:
        raise ValueError(f"{name!r} is a {account.kind}; expected a {' or a '.join(kinds)}")
    return account
