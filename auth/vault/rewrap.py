"""Going over everything that is sealed when the master key changes.

Each part that seals says once where: `register(SealedColumn(...))` beside its table. `streamer keys rotate`
adds a key to the file, calls `rewrap_all`, writes an audit entry (which signs the log's head anew) and only
then drops the old key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column that holds sealed values.

    Attributes:
        table: it has a primary key.
        column: its values are what `Vault.seal` made, or NULL or "" for none.
        context: from a row, by column name, to the context it was sealed in.
    """

    table: Table
    column: str
    context: Callable[[Mapping[str, Any]], str]


_registered: dict[tuple[str, str], SealedColumn] = {}


def register(column: SealedColumn) -> None:
    """Have a column gone over; once is enough, again changes nothing."""
    _registered[column.table.name, column.column] = column


def registered() -> list[SealedColumn]:
    """Every column there is, in a steady order."""
    return [_registered[name] for name in sorted(_registered)]


async def rewrap_all(connection: AsyncConnection, vault: Vault) -> int:
    """Seal everything anew under the vault's primary key, in one transaction with the caller's.

    Returns:
        How many values were sealed anew; what was under the primary key already stays.

    Raises:
        VaultError: one does not open; nothing should then be committed, and no key dropped.
    """
    count = 0
    for sealed in registered():
        table = sealed.table
        keys = list(table.primary_key.columns)
        column = table.c[sealed.column]
        rows = await connection.execute(select(table).where(column.is_not(None), column != ""))
        for row in rows.mappings().all():
            old = row[sealed.column]
            new = vault.rewrap(old, sealed.context({str(name): value for name, value in row.items()}))
            if new == old:
                continue
            where = [key == row[key.name] for key in keys]
            # A value that was changed meanwhile was sealed by the one who changed it.
            await connection.execute(update(table).where(*where, column == old).values({sealed.column: new}))
            count += 1
    return count
