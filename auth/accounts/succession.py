"""Somebody must be able to administer, always: refuses what would lock everybody out.

Who is an administrator is for the grants to say; they do it through a callable.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from auth.errors import AccountConflict

#: Whether nobody would administer if the principal with this id, an account or a group, were not there,
#: while somebody does now. With "" for an id: whether nobody does now.
IsLastAdministrator = Callable[[AsyncConnection, str], Awaitable[bool]]


@asynccontextmanager
async def somebody_stays(
    connection: AsyncConnection,
    is_last_administrator: IsLastAdministrator,
    principal_id: str,
    *,
    goes: bool = False,
) -> AsyncIterator[None]:
    """Around a change to a principal, in one transaction.

    Args:
        connection: the transaction; the exception must reach its owner, who then takes everything back.
        is_last_administrator: asked before the change and after it.
        principal_id: who is changed.
        goes: it is disabled or deleted, not just taken out of a group.

    Raises:
        AccountConflict: nobody could administer any more, and somebody could before.
    """
    if await is_last_administrator(connection, ""):
        yield  # nobody is in charge yet, so nobody can be the last
        return
    was_last = await is_last_administrator(connection, principal_id)
    if was_last and goes:
        raise _refusal()
    yield
    lost_it = was_last and not await is_last_administrator(connection, principal_id)
    if lost_it or await is_last_administrator(connection, ""):
        raise _refusal()


def _refusal() -> AccountConflict:
    return AccountConflict(
        "this would leave nobody who can administer; make somebody else an administrator first, "
        "who has chosen a password or can sign in otherwise"
    )
