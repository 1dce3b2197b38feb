"""What is over goes: sessions, grants, invitations, tokens, and what the audit log need not keep."""

from __future__ import annotations

import asyncio
import logging
import random

from sqlalchemy.exc import SQLAlchemyError

from auth.accounts import invitations
from auth.audit.reader import retain
from auth.errors import AuthError
from auth.permissions.grants import forget_expired
from auth.signin.sessions import Sessions
from auth.tokens.issued import forget_over
from ops.identity.identity import Identity
from streamer.sections.audit import AuditConfig

_log = logging.getLogger(__name__)

_DAY_S = 86_400.0
_EVERY_S = 3600.0
#: Grants and invitations that ended are known for so long, to tell who wonders why something stopped.
_KNOWN_S = 30 * _DAY_S


class Housekeeping:
    """Sweeps once an hour.

    Args:
        identity: the database.
        sessions: of browsers.
        audit: how long the log is kept.
    """

    def __init__(self, identity: Identity, sessions: Sessions, audit: AuditConfig) -> None:
        self._identity = identity
        self._sessions = sessions
        self._audit = audit

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            # Not all servers of one database in the same moment.
            await asyncio.sleep(_EVERY_S * random.uniform(0.5, 1.0))
            try:
                await self.sweep()
            except (SQLAlchemyError, AuthError, OSError) as error:
                _log.error("what is over cannot be removed: %s: %s", type(error).__name__, _said(error))

    async def sweep(self) -> None:
        """Remove what is over now.

        Raises:
            AuditBroken: the audit log is not whole; nothing of it is removed then.
            SQLAlchemyError: the database does not answer.
        """
        engine, now = self._identity.engine, self._identity.clock()
        ended = await self._sessions.sweep()
        async with engine.begin() as connection:
            grants = await forget_expired(connection, now - _KNOWN_S)
            links = await invitations.forget_expired(connection, now - _KNOWN_S)
        longest_s = self._identity.authority.tokens.policy.longest()
        async with engine.begin() as connection:
            tokens = await forget_over(connection, now, longest_s)
        _log.info(
            "removed what is over: %d sessions, %d grants, %d invitations, %d tokens",
            *(ended, grants, links, tokens),
        )
        if self._audit.keep_days:
            async with engine.begin() as connection:
                before = now - self._audit.keep_days * _DAY_S
                entries = await retain(connection, self._identity.vault, before, now)
            _log.info("removed %d entries of the audit log", entries)


def _said(error: Exception) -> str:
    """Its text, but for a database's own, which shows the statement and may show an address."""
    return str(error) if isinstance(error, AuthError) else ""
