"""Takes a person's names and addresses out of the audit log, which goes on saying what was done.

The entries stay, in their order; where they name him they say that he was erased. The chain is tied anew from
the first of them on, after it was found whole: what somebody else changed is not covered up. A copy that was
exported earlier differs from there on, and the entry that tells of the erasure says from where.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.accounts.accounts import folded
from auth.audit.entries import Head, audit_log, canonical, hash_of, lock_head, store_head
from auth.audit.reader import AuditBroken, Chain, page
from auth.vault.vault import Vault

#: What stands in the place of a name.
ERASED = "(erased)"


@dataclass(frozen=True, slots=True)
class Person:
    """Whom entries are to tell nothing of any more.

    Attributes:
        id: of his account; it stays, and means nothing once the account is gone.
        names: what he was called, in any case of letters: name, full name, e-mail address.
    """

    id: str
    names: Collection[str]


async def forget(connection: AsyncConnection, vault: Vault, person: Person) -> tuple[int, int]:
    """Take a person out of the log, in a transaction that begins with this.

    Returns:
        How many entries were changed, and the number of the first one, 0 without any.

    Raises:
        AuditBroken: the log is not whole; nothing was changed.
    """
    head = await lock_head(connection)
    names = {folded(name) for name in person.names if name}
    await _check(connection, vault, head)
    changed = began = 0
    after, last = head.removed_seq, ""
    while rows := await page(connection, after, head.seq):
        tied = []
        for row in rows:
            told = dict(row)
            cleaned = _cleaned(told, person.id, names)
            if cleaned is not None:
                told |= cleaned
                changed, began = changed + 1, began or told["seq"]
            if began:
                # Before the first that changes, the chain stays as it is.
                told["prev"] = last or told["prev"]
                last = told["hash"] = hash_of(told)
                tied.append({f"b_{name}": told[name] for name in ("seq", *_CHANGING)})
        if tied:
            await connection.execute(_TIE, tied)
        after = rows[-1]["seq"]
    if began:
        await store_head(connection, Head(head.seq, last, head.removed_seq, head.removed_hash, ""), vault)
    return changed, began


_CHANGING = ("address", "target", "details", "prev", "hash")
_TIE = (
    update(audit_log)
    .where(audit_log.c.seq == bindparam("b_seq"))
    .values({name: bindparam(f"b_{name}") for name in _CHANGING})
)


async def _check(connection: AsyncConnection, vault: Vault, head: Head) -> None:
    chain = Chain(head)
    while rows := await page(connection, chain.seq, head.seq):
        if why := chain.follow(rows):
            raise AuditBroken(chain.seq + 1, why)
    if chain.seq != head.seq or chain.hash != head.hash or not head.is_genuine(vault):
        raise AuditBroken(head.seq, "the log's head does not belong to it")


def _cleaned(row: dict[str, Any], id: str, names: Collection[str]) -> dict[str, Any] | None:
    """What is to change in an entry; None for nothing."""
    cleaned: dict[str, Any] = {}
    if row["who"] == id and row["address"]:
        cleaned["address"] = ""
    if row["target"] and folded(row["target"]) in names:
        cleaned["target"] = ERASED
    details = canonical(_without(json.loads(row["details"]), names))
    if details != row["details"]:
        cleaned["details"] = details
    return cleaned or None


def _without(value: Any, names: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_without(each, names) for each in value]
    return ERASED if isinstance(value, str) and folded(value) in names else value
