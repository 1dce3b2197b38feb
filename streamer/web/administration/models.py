"""What the API of administration answers with. Times are seconds since 1970, `None` for never or not yet."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from auth.permissions.actions import Action, Role
from auth.permissions.grants import GrantKind
from auth.permissions.principals import Kind
from auth.tokens.links import Target


class NamedModel(BaseModel):
    """Somebody, by id and name."""

    id: str
    name: str
    kind: Kind


class AccountModel(BaseModel):
    """A user or a service account."""

    id: str
    kind: Kind
    name: str
    full_name: str
    email: str
    disabled: bool
    created_at: float
    has_password: bool
    second_factors: list[str]
    sessions: int
    keys: int
    groups: list[NamedModel]


class AccountsModel(BaseModel):
    """All of them, by name."""

    users: list[AccountModel]


class InvitationModel(BaseModel):
    """A link that works once; it is shown this once."""

    link: str
    expires_at: float
    forget_factors: bool


class InvitedModel(BaseModel):
    """Whose link it is."""

    name: str
    forget_factors: bool


class KeyModel(BaseModel):
    """An API key as it is listed: its beginning, which tells it from others."""

    prefix: str
    label: str
    created_at: float
    expires_at: float | None
    used_at: float | None


class KeysModel(BaseModel):
    """An account's, oldest first."""

    keys: list[KeyModel]


class IssuedKeyModel(BaseModel):
    """A new API key; it is shown this once."""

    prefix: str
    key: str
    label: str
    expires_at: float | None


class MemberModel(NamedModel):
    """Somebody directly in a group.

    Attributes:
        sources: who says so; "" is an administrator here, others are directories and identity providers.
    """

    sources: list[str]


class GroupModel(BaseModel):
    """A group, and who is in it."""

    id: str
    name: str
    disabled: bool
    factor_required: bool
    created_at: float
    members: list[MemberModel]


class GroupsModel(BaseModel):
    """All groups, by name."""

    groups: list[GroupModel]


class GrantModel(BaseModel):
    """What somebody was given.

    Attributes:
        to: who has it; None for one whose account is gone.
        granted_by: a principal's id, or `@server` for whoever holds the server's state directory.
        is_over: it ended by itself, and is kept for the list only.
    """

    id: str
    to: NamedModel | None
    what: Role | Action
    actions: list[Action]
    stream: str
    kind: GrantKind
    reason: str
    granted_by: str
    granted_by_name: str
    created_at: float
    expires_at: float | None
    is_over: bool


class GrantsModel(BaseModel):
    """In the order in which they were given."""

    grants: list[GrantModel]


class LimitsModel(BaseModel):
    """How far a token reaches; `networks` empty for anywhere."""

    viewers: int | None
    networks: list[str]
    once: bool


class TokenModel(BaseModel):
    """A token as it is listed; the token itself is kept nowhere.

    Attributes:
        issued_by: a principal's id, or `@server`.
        link: what the link opens that it was made for; None for a token that was given out by itself.
    """

    id: str
    actions: list[Action]
    streams: list[str]
    note: str
    limits: LimitsModel
    link: Target | None
    issued_by: str
    issued_by_name: str
    issued_at: float
    expires_at: float
    revoked_at: float | None
    used_at: float | None


class TokensModel(BaseModel):
    """Those that are not over, newest first."""

    tokens: list[TokenModel]


class IssuedTokenModel(BaseModel):
    """A new token; it is shown this once."""

    id: str
    token: str
    expires_at: float


class IssuedLinkModel(BaseModel):
    """A new link; it is shown this once."""

    id: str
    link: str
    expires_at: float


class EntryModel(BaseModel):
    """An entry of the audit log.

    Attributes:
        who: a principal's id, `token:…`, `@server`, or "" for nobody known.
        who_name: as it is called now; "" where that is not known.
        details: more, depending on `what`; never a secret.
    """

    seq: int
    at: float
    who: str
    who_name: str
    what: str
    target: str
    target_name: str
    address: str
    outcome: str
    details: dict[str, Any]
    hash: str


class EntriesModel(BaseModel):
    """Entries, the newest first.

    Attributes:
        before: ask with this for those before; None when there are none.
    """

    entries: list[EntryModel]
    before: int | None


class VerdictModel(BaseModel):
    """What checking the chain found.

    Attributes:
        first_broken: the first entry that was changed, removed or cut off.
    """

    is_whole: bool
    checked: int
    first_broken: int | None
    why: str
