"""Reading the audit log: checking the chain, export as JSON lines, retention."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.audit.entries import (
    TAMPERED,
    Event,
    Head,
    append,
    audit_log,
    hash_of,
    lock_head,
    read_head,
    store_head,
)
from auth.errors import AuthError
from auth.vault.vault import Vault

_PAGE = 1000


class AuditBroken(AuthError):
    """The chain is not whole, so that nothing of it may be removed.

    Attributes:
        seq: number of the first entry that is wrong.
    """

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(f"the audit log is broken at entry {seq}: {why}")
        self.seq = seq
        self.why = why


@dataclass(frozen=True, slots=True)
class Verdict:
    """What checking found.

    Attributes:
        checked: entries that were read.
        first_broken: number of the first entry that is wrong or missing; None when all is well.
        why: what is wrong with it.
    """

    checked: int
    first_broken: int | None = None
    why: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing was changed, removed or cut off."""
        return self.first_broken is None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries; all conditions together, None and "" for any.

    Attributes:
        since, until: seconds since 1970; `until` is not included.
        what: the whole word, or its first parts: `grant` for `grant.add`.
        after: only entries with a higher number, for reading page by page.
        before: only entries with a lower one, for reading back from the end.
    """

    since: float | None = None
    until: float | None = None
    who: str = ""
    what: str = ""
    target: str = ""
    address: str = ""
    outcome: str = ""
    after: int = 0
    before: int | None = None


async def verify(engine: AsyncEngine, vault: Vault) -> Verdict:
    """Check every entry from the first that is kept to the last one there was when this began."""
    while True:
        async with engine.connect() as connection:
            head = await read_head(connection)
        if head is None:
            return await _verify_without_head(engine)
        verdict = await _verify(engine, vault, head)
        if verdict.is_whole:
            return verdict
        async with engine.connect() as connection:
            now = await read_head(connection)
        # Retention took away meanwhile what was to be read; it moves on, so this comes to an end.
        if now is None or now.removed_seq == head.removed_seq:
            return verdict


async def export(engine: AsyncEngine, which: Filter | None = None) -> AsyncIterator[str]:
    """Entries in their order, one JSON object a line, with their hashes; in pages, however many they are."""
    which = which or Filter()
    after = which.after
    while True:
        query = _filtered(which).where(audit_log.c.seq > after).order_by(audit_log.c.seq).limit(_PAGE)
        async with engine.connect() as connection:
            rows = (await connection.execute(query)).mappings().all()
        for row in rows:
            yield json.dumps(_entry(row), ensure_ascii=False) + "\n"
        if len(rows) < _PAGE:
            return
        after = rows[-1]["seq"]


async def latest(engine: AsyncEngine, which: Filter, limit: int) -> list[dict[str, Any]]:
    """The last entries, the newest first; `details` as they were given."""
    query = _filtered(which).where(audit_log.c.seq > which.after).order_by(audit_log.c.seq.desc())
    async with engine.connect() as connection:
        rows = (await connection.execute(query.limit(limit))).mappings().all()
    return [_entry(row) for row in rows]


async def retain(connection: AsyncConnection, vault: Vault, before: float, now: float) -> int:
    """Remove entries older than a time; the chain begins at the last removed one's hash from then on.

    Args:
        connection: the transaction to work in, begun with this.
        vault: signs the head.
        before: seconds since 1970.
        now: for the entry that says what was removed.

    Returns:
        How many went. None goes that has an entry to be kept before it.

    Raises:
        AuditBroken: what would go, or the head, is not whole; removing it would hide that.
    """
    head = await lock_head(connection)
    if not head.is_genuine(vault):
        raise AuditBroken(head.seq, _HEAD_WRONG)
    oldest_kept = await connection.scalar(select(func.min(audit_log.c.seq)).where(audit_log.c.at >= before))
    last = head.seq if oldest_kept is None else oldest_kept - 1
    if last <= head.removed_seq:
        return 0
    chain = Chain(head)
    while chain.seq < last:
        rows = await page(connection, chain.seq, last)
        if why := chain.follow(rows):
            raise AuditBroken(chain.seq + 1, why)
        if not rows:
            raise AuditBroken(chain.seq + 1, "it is missing")
    await connection.execute(delete(audit_log).where(audit_log.c.seq <= last))
    await store_head(connection, Head(head.seq, head.hash, last, chain.hash, ""), vault)
    removed = last - head.removed_seq
    await append(connection, vault, [Event("@server", "audit.retention", details={"removed": removed})], now)
    return removed


_HEAD_WRONG = "the log's head is not genuine: its end may have been cut off or replaced"


class Chain:
    """Follows the entries from where the log begins.

    Args:
        head: of the log.
    """

    def __init__(self, head: Head) -> None:
        self.seq = head.removed_seq
        self.hash = head.removed_hash

    def follow(self, rows: Any) -> str:
        """Why the entry after the last good one is wrong; "" when all are right."""
        for row in rows:
            if row["seq"] != self.seq + 1:
                return "it is missing"
            if row["prev"] != self.hash:
                return "it does not follow on the entry before"
            if hash_of(row) != row["hash"]:
                return "it was changed"
            if row["what"] == TAMPERED:
                return "the server found here that the log had been changed by other means"
            self.seq, self.hash = row["seq"], row["hash"]
        return ""


async def _verify(engine: AsyncEngine, vault: Vault, head: Head) -> Verdict:
    chain = Chain(head)
    while True:
        async with engine.connect() as connection:
            rows = await page(connection, chain.seq, head.seq)
        if why := chain.follow(rows):
            return Verdict(chain.seq - head.removed_seq, chain.seq + 1, why)
        if len(rows) < _PAGE:
            break
    checked = chain.seq - head.removed_seq
    if chain.seq < head.seq:
        return Verdict(checked, chain.seq + 1, "it is missing: the log's end was cut off")
    if not head.is_genuine(vault) or chain.hash != head.hash:
        return Verdict(checked, chain.seq, _HEAD_WRONG)
    async with engine.connect() as connection:
        beyond = await connection.scalar(select(func.count()).where(audit_log.c.seq <= head.removed_seq))
    if beyond:
        return Verdict(checked, head.removed_seq, "it stands before the beginning of the log")
    return Verdict(checked)


async def _verify_without_head(engine: AsyncEngine) -> Verdict:
    async with engine.connect() as connection:
        first = await connection.scalar(select(func.min(audit_log.c.seq)))
    return Verdict(0) if first is None else Verdict(0, first, _HEAD_WRONG)


async def page(connection: AsyncConnection, after: int, last: int) -> Any:
    """Entries in their order, so many at once at most."""
    query = (
        select(audit_log)
        .where(audit_log.c.seq > after, audit_log.c.seq <= last)
        .order_by(audit_log.c.seq)
        .limit(_PAGE)
    )
    return (await connection.execute(query)).mappings().all()


def _entry(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()} | {"details": json.loads(row["details"])}


def _filtered(which: Filter) -> Select[Any]:
    query = select(audit_log)
    if which.since is not None:
        query = query.where(audit_log.c.at >= which.since)
    if which.until is not None:
        query = query.where(audit_log.c.at < which.until)
    if which.before is not None:
        query = query.where(audit_log.c.seq < which.before)
    for name in ("who", "target", "address", "outcome"):
        if value := getattr(which, name):
            query = query.where(audit_log.c[name] == value)
    if which.what:
        within = audit_log.c.what.startswith(f"{which.what}.", autoescape=True)
        query = query.where(or_(audit_log.c.what == which.what, within))
    return query
