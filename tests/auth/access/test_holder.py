from __future__ import annotations

import pytest

from auth.access.holder import Holder, is_revoked, token_holder
from auth.access.snapshot import Right, Snapshot
from auth.errors import Forbidden, TokenInvalid
from auth.permissions.actions import Action, Role, actions_of
from auth.permissions.directory import Directory
from auth.permissions.grants import Grant, GrantKind
from auth.permissions.limits import NO_LIMITS
from auth.permissions.principals import Kind, Principal
from auth.tokens.claims import Claims
from auth.tokens.signing import KeyRing
from auth.tokens.tokens import SERVER
from tests.auth.ground import NOON

ANN = Principal("ann", Kind.USER, "ann")


def grant(
    role: Role, stream: str, kind: GrantKind = GrantKind.NORMAL, expires_at: float | None = None
) -> Grant:
    return Grant("g", "ann", role, stream, "owner", "", expires_at, kind, NOON, actions_of(role))


def snapshot(*grants: Grant, revoked: frozenset[str] = frozenset(), cutoff: float | None = None) -> Snapshot:
    return Snapshot(
        1,
        NOON,
        Directory({"ann": ANN}),
        KeyRing({}),
        {"ann": grants},
        revoked,
        {} if cutoff is None else {"ann": cutoff},
    )


def claims(subject: str = "ann", *actions: Action, streams: tuple[str, ...] = ("*",)) -> Claims:
    return Claims("t", subject, frozenset(actions), streams, NOON, NOON, NOON + 60, NO_LIMITS, "k")


def test_a_token_is_what_it_says_and_what_its_issuer_may() -> None:
    known = snapshot(grant(Role.VIEWER, "cam"))
    bearer = token_holder(claims("ann", Action.WATCH, Action.MANAGE), known, "")
    assert bearer.rights(known, "cam", NOON).keys() == {Action.WATCH}
    assert bearer.rights(known, "other", NOON) == {}
    assert bearer.principal.id == "token:t"
    assert bearer.principal.name == "token t of ann"
    assert bearer.in_name_of == "ann"
    narrow = token_holder(claims("ann", Action.WATCH, streams=("studio-*",)), known, "")
    assert narrow.rights(known, "cam", NOON) == {}


def test_one_of_the_machine_stands_for_itself() -> None:
    bearer = token_holder(claims(SERVER, Action.WATCH), snapshot(), "")
    assert bearer.rights(snapshot(), "cam", NOON) == {Action.WATCH: Right(None, support=False)}
    assert (bearer.subject, bearer.in_name_of) == ("", SERVER)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), ""),
        ((grant(Role.OPERATOR, "*"), grant(Role.OPERATOR, "cam")), ""),
        ((grant(Role.VIEWER, "other"), grant(Role.OPERATOR, "cam")), "cam"),
        ((grant(Role.OPERATOR, "studio-*"),), "studio-"),
        ((grant(Role.OPERATOR, "cam", expires_at=NOON),), ""),
    ],
)
def test_where_somebody_may_do_something(given: tuple[Grant, ...], expected: str) -> None:
    known = snapshot(*given)
    holder = Holder(ANN, "ann", None)
    assert holder.somewhere(known, Action.MANAGE, NOON) == expected
    bearer = token_holder(claims("ann", Action.MANAGE, streams=("cam", "studio-1")), known, "")
    # A token that is for some streams is for no server, whatever its issuer may do to that.
    assert bearer.somewhere(known, Action.MANAGE, NOON) in ("", "cam", "studio-1")
    assert bearer.somewhere(known, Action.ADMIN, NOON) == ""


def test_revoked() -> None:
    for known in (snapshot(revoked=frozenset({"t"})), snapshot(cutoff=NOON)):
        with pytest.raises(TokenInvalid, match="revoked"):
            token_holder(claims("ann", Action.WATCH), known, "")
    assert not is_revoked("t", "ann", NOON, snapshot(cutoff=NOON - 0.001))
    # One without a time of issue is older than any cut-off, and good where there is none.
    assert not is_revoked("t", "ann", 0.0, snapshot())
    assert is_revoked("t", "ann", 0.0, snapshot(cutoff=NOON))


def test_support_and_what_is_over_are_not_passed_on() -> None:
    holder = Holder(ANN, "ann", None)
    watch = frozenset({Action.WATCH})
    holder.check_passing_on(snapshot(grant(Role.VIEWER, "*")), watch, ["cam", "*"], NOON)
    for known in (
        snapshot(),
        snapshot(grant(Role.VIEWER, "*", GrantKind.SUPPORT, NOON + 60)),
        snapshot(grant(Role.VIEWER, "*", expires_at=NOON)),
        snapshot(grant(Role.PUBLISHER, "*")),
    ):
        with pytest.raises(Forbidden, match="not his own"):
            holder.check_passing_on(known, watch, ["cam"], NOON)
