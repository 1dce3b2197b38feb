from __future__ import annotations

import time
from dataclasses import replace

import pyotp
import pytest

from auth.errors import TokenInvalid
from auth.permissions.actions import Action
from auth.tokens.signing import KeyRing
from auth.tokens.tokens import TokenOrder
from ops.identity.identity import Identity
from tests.ops.commands.rig import Commands

NEW_TOKEN = ("token", "--action", "watch", "--stream", "cam", "--for", "1h")


async def ring(identity: Identity) -> KeyRing:
    return identity.authority.snapshot.ring


async def primary(identity: Identity) -> str:
    return identity.vault.primary


async def longest_s(identity: Identity) -> float:
    return identity.authority.tokens.policy.longest()


def verified(streamer: Commands, token: str, later_s: float = 0.0) -> str:
    """Id of the key that a token was signed with, if it counts."""

    async def look(identity: Identity) -> str:
        authority = identity.authority
        return authority.tokens.verify(authority.snapshot.ring, token, identity.clock() + later_s).key

    return streamer.look(look)


def test_everything_is_sealed_anew(streamer: Commands) -> None:
    old = streamer.look(ring).signer, streamer.look(primary)
    sealed, signs = streamer("keys", "rotate")
    assert sealed.startswith("1 secrets sealed anew")
    assert signs.endswith("tokens that are out count until they end")
    assert streamer.look(primary) != old[1]
    kept = streamer.look(ring).find(old[0].kid, 0.0)
    assert kept is not None
    assert kept.secret == old[0].secret
    assert streamer("audit", "verify") == ["whole: 1 entries"]
    assert len((streamer.path.parent / "state" / "master.key").read_text().split()) == 1


def test_authenticator_apps_outlive_the_key_they_are_sealed_with(streamer: Commands) -> None:
    streamer("user", "add", "anna")

    async def begin(identity: Identity) -> str:
        return (await identity.totp.begin((await identity.accounts.named("anna")).id, "anna")).seed

    app = pyotp.TOTP(streamer.look(begin))
    assert streamer("keys", "rotate")[0].startswith("2 secrets sealed anew")

    async def confirm(identity: Identity) -> None:
        await identity.totp.confirm((await identity.accounts.named("anna")).id, app.now())

    async def is_good(identity: Identity) -> bool:
        anna = await identity.accounts.named("anna")
        # Of the next time step: the present one's is used.
        return await identity.totp.verify(anna.id, app.at(int(time.time()), counter_offset=1))

    streamer.look(confirm)
    streamer("keys", "rotate")
    assert streamer.look(is_good)


def test_tokens_outlive_their_key_until_they_end(streamer: Commands) -> None:
    (before,) = streamer(*NEW_TOKEN)
    old = verified(streamer, before)
    streamer("keys", "rotate")
    (after,) = streamer(*NEW_TOKEN)
    assert verified(streamer, before) == old != verified(streamer, after)

    # As somebody makes it who got hold of the old key, after all that it signed is over.
    late_s = streamer.look(longest_s) + 1

    async def forged(identity: Identity) -> str:
        authority = identity.authority
        key = authority.snapshot.ring.find(old, identity.clock())
        assert key is not None
        theirs = KeyRing({old: replace(key, verifies_until=None)})
        order = TokenOrder(frozenset({Action.WATCH}), ("cam",), 3600.0)
        return authority.tokens.issue(theirs, order, identity.clock() + late_s).token

    token = streamer.look(forged)
    with pytest.raises(TokenInvalid, match="unknown, or too old"):
        verified(streamer, token, late_s + 1)


def test_keys_that_others_may_know_end_every_token(streamer: Commands) -> None:
    (before,) = streamer(*NEW_TOKEN)
    assert streamer("keys", "rotate", "--end-tokens")[-1].endswith("every token has ended")
    with pytest.raises(TokenInvalid, match="unknown, or too old"):
        verified(streamer, before)
    (entry,) = streamer.audited("keys.rotate")
    assert entry["details"]["everything_ended"] is True
    assert verified(streamer, streamer(*NEW_TOKEN)[0]) == entry["details"]["signs"]


def test_a_master_key_from_elsewhere_is_changed_there(
    streamer: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = "ab" * 32, "cd" * 32
    streamer.path.write_text(streamer.path.read_text() + '[vault]\nkey_env = "VAULT_KEY"\n')
    monkeypatch.setenv("VAULT_KEY", old)
    streamer("user", "add", "anna")
    monkeypatch.setenv("VAULT_KEY", f"{new}\n{old}")
    assert streamer("keys", "rotate")[0].startswith("1 secrets sealed anew")
    monkeypatch.setenv("VAULT_KEY", new)
    assert streamer("audit", "verify")[0].startswith("whole")
    assert not (streamer.path.parent / "state" / "master.key").exists()
