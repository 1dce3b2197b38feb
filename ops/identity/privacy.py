"""Everything that is kept about a person, whichever table it is in: gathered for him, and erased.

Tables are found by their columns: what refers to a principal belongs to him. The audit log stays, as what was
done must be answered for: it names accounts by ids that mean nothing once they are gone, and his names and
addresses are taken out of it.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Table, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.accounts.accounts import Account
from auth.audit.entries import Event, append
from auth.audit.erasure import Person, forget
from auth.audit.reader import AuditBroken
from ops.identity.identity import Identity
from ops.migrations.declared import schema
from streamer.config import Config
from streamer.engagement import checkpoint
from streamer.engagement.collector import COPY
from streamer.engagement.people import (
    Register,
    erase_copied,
    erase_sessions,
    erase_spooled,
    sessions_of,
    sweep,
    without,
)
from streamer.engagement.spool import Spool
from streamer.engagement.store import overwrite

_log = logging.getLogger(__name__)

_PRINCIPAL = "auth_principal"
_AUDIT = "auth_audit"
# Columns that hold a principal's id without saying so to the database.
_OF_SOMEBODY = frozenset({"principal_id", "subject", "who", "target", "account", "granted_by"})
# How what a spreadsheet computes begins, blanks before it and wide forms of it passed over.
_FORMULA = frozenset("=+-@")
# What proves who somebody is, and is no data about him.
_SECRET = frozenset({"hash", "sealed", "pending", "public_key", "prev"})


async def gather(identity: Identity, account: Account) -> dict[str, list[dict[str, Any]]]:
    """What is kept about a person, by table."""
    found: dict[str, list[dict[str, Any]]] = {}
    async with identity.engine.connect() as connection:
        for table in schema().sorted_tables:
            if table.name == "engagement_session":
                continue
            columns = _columns_of(table)
            if not columns:
                continue
            wanted = select(table).where(or_(*(column == account.id for column in columns)))
            rows = [_shown(dict(row)) for row in (await connection.execute(wanted)).mappings()]
            if rows:
                found[table.name] = rows
    watched = await sessions_of(identity.engine, account.id)
    if watched:
        found["engagement_session"] = watched
    return found


def as_json(found: dict[str, list[dict[str, Any]]]) -> str:
    """What was gathered, as JSON."""
    return json.dumps(found, indent=2, default=str)


def as_csv(found: dict[str, list[dict[str, Any]]]) -> str:
    """What was gathered as CSV: table, row, field, value.

    Text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("table", "row", "field", "value"))
    for table, rows in found.items():
        for number, row in enumerate(rows, 1):
            writer.writerows((table, number, field, _inert(value)) for field, value in row.items())
    return text.getvalue()


def _inert(value: Any) -> Any:
    """Numbers stay what they are."""
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    first = unicodedata.normalize("NFKC", text.lstrip()[:1])
    return f"'{text}" if first in _FORMULA else text


async def erase(
    identity: Identity, config: Config, account: Account, *, by: str = "@server"
) -> dict[str, int]:
    """Erase a person: the account, what hangs on it, and the sessions, in database, spool and Redis.

    Returns:
        How much was erased, by place.

    Raises:
        AccountConflict: nobody could administer any more.
        OSError: Redis does not answer, or the spool cannot be read; nothing else was erased yet.
    """
    register = Register(identity.engine, identity.clock)
    request = await register.enter("erase", account.name)
    queued = copied = 0
    if config.redis.url is not None:
        # Here, as few have a Redis, and what talks to it is long to import.
        from streamer.cluster.batches import Queue
        from streamer.cluster.link import connect
        from streamer.cluster.nodes import rewrite_copies

        redis = connect(config.redis.url.get_secret_value())
        try:
            queued = await Queue(redis).rewrite(lambda data: without(data, account.id))
            copied = await rewrite_copies(redis, lambda data: checkpoint.without(data, account.id))
        finally:
            await redis.aclose()
    spooled = erase_spooled(open_spool(config), account.id)
    copied += erase_copied(folder(config) / COPY, account.id)
    watched = 0

    async def with_the_account(connection: AsyncConnection, principal_id: str) -> None:
        nonlocal watched
        watched += await erase_sessions(connection, principal_id)
        await _delete_loose(connection, principal_id)

    identity.accounts.on_delete.append(with_the_account)
    try:
        await identity.accounts.delete(account.id)
    finally:
        identity.accounts.on_delete.remove(with_the_account)
    await register.complete(request.id, forget=account.name)
    erased = {"sessions": watched, "spooled_batches": spooled, "queued_batches": queued, "copies": copied}
    erased["log_entries"] = await _out_of_the_log(
        identity, account, Event(by, "privacy.erase", account.id, details={"request": request.id, **erased})
    )
    await sweep(identity.engine)
    return erased


async def _out_of_the_log(identity: Identity, account: Account, event: Event) -> int:
    """Take his names out of the audit log and append to it; how many entries named him."""
    person = Person(account.id, (account.name, account.full_name, account.email))
    async with identity.engine.begin() as connection:
        await overwrite(connection)
        try:
            changed, first = await forget(connection, identity.vault, person)
            found: dict[str, Any] = {"log_entries": changed, "log_changed_from": first}
        except AuditBroken as error:
            _log.error("nobody is taken out of the audit log before that is cleared up: %s", error)
            changed, found = 0, {"log_entries": 0, "log_broken_at": error.seq}
        event = replace(event, details={**event.details, **found})
        await append(connection, identity.vault, [event], identity.clock())
    return changed


def folder(config: Config) -> Path:
    """Engagement's own in the state directory."""
    return Path(config.state.dir) / "engagement"


def open_spool(config: Config) -> Spool:
    """The spool in it."""
    return Spool(folder(config) / "spool", config.engagement.spool_bytes)


async def _delete_loose(connection: AsyncConnection, principal_id: str) -> None:
    """What the database does not know to belong to an account."""
    for table in schema().sorted_tables:
        if table.name in (_AUDIT, _PRINCIPAL):
            continue
        loose = [column for column in _columns_of(table) if column.name in ("subject", "account")]
        if loose:
            await connection.execute(delete(table).where(or_(*(column == principal_id for column in loose))))


def _columns_of(table: Table) -> list[Column[Any]]:
    """The columns in which a principal's id may stand."""
    if table.name == _PRINCIPAL:
        return [table.c.id]
    return [
        column
        for column in table.c
        if column.name in _OF_SOMEBODY
        or any(key.target_fullname == f"{_PRINCIPAL}.id" for key in column.foreign_keys)
    ]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _SECRET}
