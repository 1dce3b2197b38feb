"""The faces of administration, put together for a running server."""

from __future__ import annotations

from auth.accounts.invitations import Invitations
from auth.signin.sessions import Sessions
from ops.identity.identity import Guard, Identity
from streamer.web.access import Access
from streamer.web.administration.audit import Audit
from streamer.web.administration.grants import Grants
from streamer.web.administration.groups import GroupsFace
from streamer.web.administration.invitations import Redemptions
from streamer.web.administration.keys import Keys
from streamer.web.administration.links import Links
from streamer.web.administration.office import Office, Registers
from streamer.web.administration.tokens import TokenOffice, TokensFace
from streamer.web.administration.users import Users
from streamer.web.app import Face
from streamer.web.ledger import Ledger


def administration(
    identity: Identity,
    guard: Guard,
    access: Access,
    ledger: Ledger,
    *,
    sessions: Sessions,
    origin: str = "",
) -> tuple[Face, ...]:
    """Everything that administers who may do what.

    Args:
        identity: the database.
        guard: the server's.
        access: decides who may.
        ledger: keeps what was done.
        sessions: of browsers.
        origin: under which the server is known, "" where that is not configured.
    """
    invitations = Invitations(identity.engine, identity.accounts, identity.passwords, clock=identity.clock)
    registers = Registers(
        engine=identity.engine,
        vault=identity.vault,
        authority=identity.authority,
        accounts=identity.accounts,
        groups=identity.groups,
        sessions=sessions,
        api_keys=identity.api_keys,
        invitations=invitations,
        directory=identity.directory,
        clock=identity.clock,
    )
    office = Office(registers, access, ledger, origin)
    tokens = TokenOffice(office)
    return (
        Users(office),
        Redemptions(invitations, guard.audit),
        Keys(office),
        GroupsFace(office),
        Grants(office),
        TokensFace(tokens),
        Links(tokens),
        Audit(office),
    )
