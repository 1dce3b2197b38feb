"""What the API of administration takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from auth.audit.entries import Outcome
from auth.permissions.actions import Action, Role
from auth.permissions.grants import MAX_REASON_CHARACTERS, GrantKind
from auth.permissions.limits import MAX_NETWORKS, MAX_VIEWERS, Limits
from auth.permissions.patterns import MAX_CHARACTERS
from auth.permissions.principals import Kind
from auth.storage.tables import MAX_NAME_CHARACTERS
from auth.tokens.links import Target
from auth.tokens.tokens import MAX_PATTERNS
from streamer.web.inputs import Body, Query

_CENTURY_S = 100 * 365.25 * 86_400

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)]
FullName = Annotated[str, Field(max_length=256)]
Email = Annotated[str, Field(max_length=320)]
Lifetime = Annotated[float, Field(gt=0, le=_CENTURY_S, description="Seconds from now.")]
Time = Annotated[float, Field(ge=0, le=1e11, description="Seconds since 1970.")]
Pattern = Annotated[
    str, Field(min_length=1, max_length=MAX_CHARACTERS, description="A stream's name, studio-* or *.")
]
Note = Annotated[str, Field(max_length=256)]


class NewAccount(Body):
    """A user, or a service account for an encoder or integration."""

    name: Name
    kind: Literal[Kind.USER, Kind.SERVICE] = Kind.USER
    full_name: FullName = ""
    email: Email = ""


class AccountChange(Body):
    """What shall be different; what is not named stays."""

    name: Name | None = None
    full_name: FullName | None = None
    email: Email | None = None
    disabled: bool | None = None


class NewInvitation(Body):
    """A link with which a user chooses a new password."""

    forget_factors: bool = Field(False, description="The second factors go too, when it is used.")


class Redemption(Body):
    """A link's token, and the password."""

    token: str = Field(min_length=1, max_length=256)
    password: str = Field(min_length=1, max_length=4096)


class TokenToLook(Body):
    """A link's token."""

    token: str = Field(min_length=1, max_length=256)


class NewKey(Body):
    """An API key of a service account."""

    label: str = Field("", max_length=128, description="What it is for.")
    lifetime_s: Lifetime | None = None


class NewGroup(Body):
    """A group."""

    name: Name
    factor_required: bool = Field(False, description="Whoever is in it needs a second factor.")


class GroupChange(Body):
    """What shall be different; what is not named stays."""

    name: Name | None = None
    factor_required: bool | None = None
    disabled: bool | None = None


class _Ending(Body):
    expires_at: Time | None = None
    lifetime_s: Lifetime | None = None

    @model_validator(mode="after")
    def _one_end(self) -> _Ending:
        if self.expires_at is not None and self.lifetime_s is not None:
            raise ValueError("expected expires_at or lifetime_s, not both")
        return self

    def ends_at(self, now: float) -> float | None:
        """Seconds since 1970; None for no end."""
        return self.expires_at if self.lifetime_s is None else now + self.lifetime_s


class NewGrant(_Ending):
    """A grant: a role or a single action, on the streams of a pattern, for good or until a time."""

    to: str = Field(min_length=1, max_length=MAX_NAME_CHARACTERS, description="Name or id of who gets it.")
    what: Role | Action
    stream: Pattern
    kind: GrantKind = Field(
        GrantKind.NORMAL, description="support: for somebody from outside; ends within 72 hours."
    )
    reason: str = Field("", max_length=MAX_REASON_CHARACTERS)


class GrantChange(_Ending):
    """When it shall end; both null for not at all."""


class GrantsQuery(Query):
    """Which grants."""

    to: str | None = Field(None, max_length=MAX_NAME_CHARACTERS, description="Name or id of who has them.")
    kind: GrantKind | None = None


class NewLimits(Body):
    """How far a token reaches."""

    viewers: int | None = Field(None, ge=1, le=MAX_VIEWERS, description="Sessions at once.")
    networks: tuple[Annotated[str, Field(max_length=64)], ...] = Field(
        (), max_length=MAX_NETWORKS, description="Where they may come from: 192.0.2.0/24, 2001:db8::/32."
    )
    once: bool = Field(False, description="One session and no other after it.")

    def limits(self) -> Limits:
        """As tokens carry them.

        Raises:
            ValueError: says what was expected.
        """
        return Limits.of(self.viewers, self.networks, self.once)


class NewToken(Body):
    """A token; it allows no more than whoever asks for it may do himself, now and later."""

    actions: tuple[Action, ...] = Field(min_length=1, max_length=len(Action))
    streams: tuple[Pattern, ...] = Field(min_length=1, max_length=MAX_PATTERNS)
    lifetime_s: Lifetime
    limits: NewLimits = NewLimits()
    note: Note = ""


class NewLink(Body):
    """A link to one stream, with a token to watch it, or to publish it where the target is for that."""

    stream: Annotated[str, Field(min_length=1, max_length=64)]
    target: Target = Target.WATCH
    lifetime_s: Lifetime
    limits: NewLimits = NewLimits()
    note: Note = ""


class AuditQuery(Query):
    """Which entries; all conditions together."""

    since: Time | None = None
    until: Time | None = None
    who: str = Field("", max_length=256, description="A principal's id or name, token:…, or @server.")
    what: str = Field("", max_length=256, description="grant.add, or grant for all about grants.")
    target: str = Field("", max_length=256, description="A stream, or an id or name.")
    address: str = Field("", max_length=64)
    outcome: Outcome | None = None


class AuditPage(AuditQuery):
    """Which entries, and how many of them."""

    before: int | None = Field(None, ge=1, le=2**62, description="Only entries with a lower number.")
    limit: int = Field(100, ge=1, le=1000)
