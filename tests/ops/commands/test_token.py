from __future__ import annotations

from auth.permissions.actions import Action, Role, actions_of
from auth.tokens.claims import Claims
from auth.tokens.tokens import SERVER
from ops.identity.identity import Identity
from tests.ops.commands.rig import Commands


def claims(streamer: Commands, token: str) -> Claims:
    async def read(identity: Identity) -> Claims:
        authority = identity.authority
        return authority.tokens.verify(authority.snapshot.ring, token, identity.clock())

    return streamer.look(read)


def test_to_watch(streamer: Commands) -> None:
    (token,) = streamer("token", "--action", "watch", "--stream", "cam", "--for", "1h")
    said = claims(streamer, token)
    assert said.actions == {Action.WATCH, Action.LISTEN}
    assert said.streams == ("cam",)
    assert said.subject == SERVER
    assert round(said.expires_at - said.issued_at) == 3600


def test_limits(streamer: Commands) -> None:
    limits = ["--once", "--viewers", "3", "--network", "192.0.2.0/24", "--network", "2001:db8::/32"]
    (token,) = streamer(
        "token",
        "--action",
        "listen",
        "--stream",
        "a-*",
        "--stream",
        "b",
        "--for",
        "90s",
        *limits,
    )
    said = claims(streamer, token)
    assert said.actions == {Action.LISTEN}
    assert said.streams == ("a-*", "b")
    assert (said.limits.once, said.limits.viewers) == (True, 3)
    assert [str(network) for network in said.limits.networks] == ["192.0.2.0/24", "2001:db8::/32"]


def test_to_administer_everything(streamer: Commands) -> None:
    (token,) = streamer("token", "--action", "admin", "--for", "1h")
    said = claims(streamer, token)
    assert said.actions == actions_of(Role.ADMINISTRATOR)
    assert said.streams == ("*",)


def test_in_the_name_of_an_account(streamer: Commands) -> None:
    streamer("user", "add", "anna")
    (token,) = streamer("token", "--action", "watch", "--stream", "cam", "--for", "1h", "--as", "anna")
    anna = streamer.look(lambda identity: identity.accounts.named("anna"))
    assert claims(streamer, token).subject == anna.id


def test_what_is_issued_is_audited_without_the_token(streamer: Commands) -> None:
    (token,) = streamer("token", "--action", "watch", "--stream", "cam", "--for", "1h")
    (entry,) = streamer.audited("token")
    assert entry["target"] == claims(streamer, token).token_id
    assert entry["details"]["streams"] == ["cam"]
    assert token not in str(entry)


def test_what_cannot_be(streamer: Commands) -> None:
    watch = ("token", "--action", "watch")
    assert "--stream" in streamer.refused(*watch, "--for", "1h")
    assert "expected a duration" in streamer.refused(*watch, "--stream", "cam", "--for", "soon")
    assert "no stream pattern" in streamer.refused(*watch, "--stream", "*m", "--for", "1h")
    assert "hours at most" in streamer.refused(*watch, "--stream", "cam", "--for", "100d")
    assert "hours at most" in streamer.refused("token", "--action", "admin", "--for", "2d")
    assert "address range" in streamer.refused(*watch, "--stream", "cam", "--for", "1h", "--network", "here")
    assert "'anna'" in streamer.refused(*watch, "--stream", "cam", "--for", "1h", "--as", "anna")
    refused = streamer.refused("token", "--action", "look", "--stream", "cam", "--for", "1h")
    assert "'look': expected one of publish, watch" in refused
    assert "Value error" not in refused
    assert "e+" not in streamer.refused(*watch, "--stream", "cam", "--for", "36499d")


def test_a_configuration_that_cannot_be_used(streamer: Commands) -> None:
    streamer.path.write_text("[streams")
    assert "expected TOML" in streamer.refused("token", "--action", "admin", "--for", "1h")


def test_they_are_listed_and_withdrawn(streamer: Commands) -> None:
    (token,) = streamer("token", "--action", "watch", "--stream", "cam", "--for", "1h", "--note", "for him")
    (line,) = streamer("token", "list")
    token_id = claims(streamer, token).token_id
    assert line.split()[:3] == [token_id, "listen,watch", "cam"]
    assert line.endswith("for him")
    streamer("token", "revoke", token_id)
    assert "withdrawn" in streamer("token", "list")[0]
    assert "no token 'none'" in streamer.refused("token", "revoke", "none")
    assert "--action" in streamer.refused("token")
