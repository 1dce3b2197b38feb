"""The audit log: who did what, when, from where, to what, and what came of it; hash-chained.

Each entry carries the hash of the one before, so that nothing can be changed, removed or put in between
without breaking all that follows. What the chain alone cannot show is that its end was cut off; therefore
the head (number and hash of the last entry) is signed with a key of the vault, which is not in the
database. Somebody who kept an old head, or a copy of the whole database, can go back to that one: who must
be safe from it exports the log regularly.

Entries are appended under a lock on the head's row, in whatever process. A head that is not genuine does
not stop the log; the entry after it says so, for good.

Read `auth.audit.writer` for how entries get here, `auth.audit.reader` for checking, export and retention.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.storage.schema import metadata
from auth.tokens.links import redact
from auth.vault.vault import Vault

_log = logging.getLogger(__name__)

GENESIS = "0" * 64
#: What an entry says when the head before it was not genuine.
TAMPERED = "audit.tampered"
_CONTEXT = "audit-head"
_HEAD_ID = 1
_MAX_TEXT_CHARACTERS = 256
_MAX_DETAILS_CHARACTERS = 4096
#: Of any one text; far beyond what is kept, so that no secret is cut in two and then not seen.
_MAX_SEARCHED_CHARACTERS = 16_384
_MAX_DEPTH = 8

audit_log = Table(
    "auth_audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("who", String(_MAX_TEXT_CHARACTERS), nullable=False),
    Column("what", String(_MAX_TEXT_CHARACTERS), nullable=False),
    Column("address", String(_MAX_TEXT_CHARACTERS), nullable=False),
    Column("target", String(_MAX_TEXT_CHARACTERS), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("details", Text, nullable=False),
    Column("prev", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_auth_audit_at", "at"),
)

#: One row, made by the migration or the first entry.
audit_head = Table(
    "auth_audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    # Of the last entry that retention removed.
    Column("removed_seq", BigInteger, nullable=False),
    Column("removed_hash", String(64), nullable=False),
    Column("signature", String(128), nullable=False),
)

#: The head of a log without entries.
NEW_HEAD = {
    "id": _HEAD_ID,
    "seq": 0,
    "hash": GENESIS,
    "removed_seq": 0,
    "removed_hash": GENESIS,
    "signature": "",
}


class Outcome(StrEnum):
    """What came of it."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Event:
    """Something to be kept.

    Attributes:
        who: id of a principal, or what stands for one: `@server`, `token:…`, "" for nobody known.
        what: dotted, the general part first: `login`, `grant.add`, `token.issue`, `viewer.kick`.
        target: of what: a stream, a principal's id, a grant's id.
        address: from where, without port.
        details: more, in plain JSON; values under names of secrets are replaced.
        at: seconds since 1970; None for the time at which it is recorded.
    """

    who: str
    what: str
    target: str = ""
    address: str = ""
    outcome: Outcome = Outcome.DONE
    details: Mapping[str, Any] = field(default_factory=dict)
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain, and where it begins since retention."""

    seq: int
    hash: str
    removed_seq: int
    removed_hash: str
    signature: str

    def is_genuine(self, vault: Vault) -> bool:
        """Whether one of our keys signed it; a log without entries has no signature yet."""
        if self.signature == "":
            return (self.seq, self.hash, self.removed_seq, self.removed_hash) == (0, GENESIS, 0, GENESIS)
        return vault.is_signed(self._signed(), self.signature, _CONTEXT)

    def sign(self, vault: Vault) -> dict[str, Any]:
        """The row's values, signed with the primary key."""
        return {
            "seq": self.seq,
            "hash": self.hash,
            "removed_seq": self.removed_seq,
            "removed_hash": self.removed_hash,
            "signature": vault.sign(self._signed(), _CONTEXT),
        }

    def _signed(self) -> bytes:
        return canonical([self.seq, self.hash, self.removed_seq, self.removed_hash]).encode()


async def append(connection: AsyncConnection, vault: Vault, events: Sequence[Event], now: float) -> None:
    """Append events in their order, in the caller's transaction.

    The transaction should begin with this and end soon after: until then nobody else can append.
    """
    head = await lock_head(connection)
    highest = select(func.coalesce(func.max(audit_log.c.seq), head.removed_seq))
    stored = int((await connection.execute(highest)).scalar_one())
    if stored != head.seq or not head.is_genuine(vault):
        _log.error("the audit log was changed by other means than this server")
        found = {"head": head.seq, "last": stored}
        events = [Event("@server", TAMPERED, outcome=Outcome.FAILED, details=found), *events]
    seq, last = max(head.seq, stored), head.hash
    rows = []
    for event in events:
        seq += 1
        row = _row(event, seq, last, now)
        last = row["hash"]
        rows.append(row)
    if rows:
        await connection.execute(insert(audit_log), rows)
        await store_head(connection, Head(seq, last, head.removed_seq, head.removed_hash, ""), vault)


async def lock_head(connection: AsyncConnection) -> Head:
    """The head, which nobody else can change or lock before the transaction ends."""
    # An UPDATE first of all: it locks the row in PostgreSQL and takes the write lock in SQLite, where a
    # transaction that began with reading could not write any more once another one had.
    locking = update(audit_head).where(audit_head.c.id == _HEAD_ID).values(id=_HEAD_ID)
    if not (await connection.execute(locking)).rowcount:
        await connection.execute(insert(audit_head).values(NEW_HEAD))
    head = await read_head(connection)
    assert head is not None
    return head


async def read_head(connection: AsyncConnection) -> Head | None:
    """The head as it is now; None where there was never an entry."""
    row = (await connection.execute(select(audit_head).where(audit_head.c.id == _HEAD_ID))).mappings().first()
    if row is None:
        return None
    return Head(row["seq"], row["hash"], row["removed_seq"], row["removed_hash"], row["signature"])


async def store_head(connection: AsyncConnection, head: Head, vault: Vault) -> None:
    """Write the head, signed; its row is locked by the caller."""
    await connection.execute(update(audit_head).where(audit_head.c.id == _HEAD_ID).values(head.sign(vault)))


def hash_of(row: Mapping[Any, Any]) -> str:
    """The hash of an entry: SHA-256 of its other columns, the previous hash too, as canonical JSON."""
    return hashlib.sha256(canonical([row[name] for name in _HASHED]).encode()).hexdigest()


def canonical(value: object) -> str:
    """JSON that is the same text for the same value, always."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)


_HASHED = ("seq", "at", "who", "what", "address", "target", "outcome", "details", "prev")


def _row(event: Event, seq: int, prev: str, now: float) -> dict[str, Any]:
    row = {
        "seq": seq,
        "at": _time(event.at, now),
        "who": _text(event.who),
        "what": _text(event.what),
        "address": _text(event.address),
        "target": _text(event.target),
        "outcome": event.outcome.value,
        "details": _details(event.details),
        "prev": prev,
    }
    row["hash"] = hash_of(row)
    return row


def _time(at: float | None, now: float) -> float:
    # A float in any case, as the database gives it back: the hash is of its text.
    return round(float(at if at is not None and math.isfinite(at) else now), 6)


def _details(details: Mapping[str, Any]) -> str:
    text = canonical(_redacted(details, 0))
    if len(text) <= _MAX_DETAILS_CHARACTERS:
        return text
    return canonical({"shortened": text[: _MAX_DETAILS_CHARACTERS // 2]})


def _redacted(value: object, depth: int) -> object:
    """Plain JSON without secrets; what is not plain becomes text."""
    if depth > _MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {
            _text(str(name)): "***" if _is_secret(str(name)) and entry else _redacted(entry, depth + 1)
            for name, entry in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        ordered = value if isinstance(value, list | tuple) else sorted(value, key=str)
        return [_redacted(entry, depth + 1) for entry in ordered]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    text = _plain(str(value)[:_MAX_SEARCHED_CHARACTERS])
    return _JWT.sub("***", redact(_URL_PASSWORD.sub(r"\1:***@", text)))


#: Names under which secrets stand; what ends in "id" tells one from another and is none.
_SECRET_NAME = re.compile(
    r"(?i)pass(word|phrase|wd)|secret|token|cookie|authorization|seed|credential|private|signature"
    r"|(^|[_.-])(key|code|otp|pin)s?$"
)
# Each begins where no word goes on before it: without that, a long word is searched from each of its letters.
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_URL_PASSWORD = re.compile(r"(?<!\w)(\w{1,32}://[^\s/:@]*):[^\s/@]+@")


def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and not re.search(r"(?i)(^|[_.-])ids?$", name)


def _plain(text: str) -> str:
    # PostgreSQL takes no NUL, no database a lone surrogate.
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _text(text: str) -> str:
    return _JWT.sub("***", _plain(text[:_MAX_SEARCHED_CHARACTERS]))[:_MAX_TEXT_CHARACTERS]
