from __future__ import annotations

import json

import pytest

from auth.errors import AccountConflict, BadCredentials, NoSuchPrincipal
from auth.factors.ceremonies import Passkey
from auth.factors.passkeys import CHALLENGE_S
from tests.auth.rig import People
from tests.rigs.authenticator import Authenticator

DATABASES = ("sqlite",)


class TestRegistration:
    async def test_a_passkey_is_made_and_listed(self, people: People) -> None:
        jane = await people.user("jane")
        assert not await people.passkeys.has(jane.id)
        key = Authenticator()
        ceremony = await people.passkeys.begin_registration(jane.id, "jane")
        asked = json.loads(ceremony.options)
        assert asked["rp"] == {"id": "live.example", "name": "Streamer"}
        assert asked["user"]["name"] == "jane"
        made = await people.passkeys.finish_registration(
            ceremony.ticket, jane.id, key.create(ceremony.options), "my key"
        )
        assert made == Passkey(made.id, jane.id, "my key", people.clock.now, None)
        assert await people.passkeys.passkeys_of(jane.id) == [made]
        assert await people.passkeys.has(jane.id)

    async def test_a_second_one_leaves_out_the_first(self, people: People) -> None:
        jane = await people.user("jane")
        await people.with_passkey(jane)
        (first,) = await people.passkeys.passkeys_of(jane.id)
        ceremony = await people.passkeys.begin_registration(jane.id, "jane")
        (excluded,) = json.loads(ceremony.options)["excludeCredentials"]
        assert excluded["id"] == first.id
        # Those names that are known.
        assert excluded["transports"] == ["usb"]

    async def test_one_that_is_registered_already(self, people: People) -> None:
        jane = await people.user("jane")
        await people.with_passkey(jane)
        ceremony = await people.passkeys.begin_registration(jane.id, "jane")
        # Another device that came upon the same id; nothing of the first may change.
        with pytest.raises(AccountConflict, match="registered already"):
            await people.passkeys.finish_registration(
                ceremony.ticket, jane.id, Authenticator().create(ceremony.options)
            )
        assert len(await people.passkeys.passkeys_of(jane.id)) == 1

    @pytest.mark.parametrize("origin", ["https://live.example.evil.example", "http://live.example", ""])
    async def test_another_sites_page(self, origin: str, people: People) -> None:
        jane = await people.user("jane")
        ceremony = await people.passkeys.begin_registration(jane.id, "jane")
        answer = Authenticator(origin=origin).create(ceremony.options)
        with pytest.raises(BadCredentials):
            await people.passkeys.finish_registration(ceremony.ticket, jane.id, answer)
        assert not await people.passkeys.has(jane.id)

    async def test_the_challenge_is_for_one_account_once(self, people: People) -> None:
        jane, joan = await people.user("jane"), await people.user("joan")
        ceremony = await people.passkeys.begin_registration(jane.id, "jane")
        answer = Authenticator().create(ceremony.options)
        with pytest.raises(BadCredentials):
            await people.passkeys.finish_registration(ceremony.ticket, joan.id, answer)
        with pytest.raises(BadCredentials):
            await people.passkeys.finish_registration(ceremony.ticket, jane.id, answer)


class TestAuthentication:
    async def test_behind_a_password(self, people: People) -> None:
        jane = await people.user("jane")
        key = await people.with_passkey(jane)
        key.verifies = False
        ceremony = await people.passkeys.begin_authentication(jane.id)
        shown = await people.passkeys.finish_authentication(
            ceremony.ticket, key.get(ceremony.options), jane.id
        )
        assert (shown.principal_id, shown.verified) == (jane.id, False)
        (passkey,) = await people.passkeys.passkeys_of(jane.id)
        assert passkey.used_at == people.clock.now

    async def test_alone_it_must_verify_its_user(self, people: People) -> None:
        jane = await people.user("jane")
        key = await people.with_passkey(jane)
        ceremony = await people.passkeys.begin_authentication()
        shown = await people.passkeys.finish_authentication(
            ceremony.ticket, key.get(ceremony.options, resident=True)
        )
        assert (shown.principal_id, shown.verified) == (jane.id, True)
        key.verifies = False
        ceremony = await people.passkeys.begin_authentication()
        with pytest.raises(BadCredentials):
            await people.passkeys.finish_authentication(
                ceremony.ticket, key.get(ceremony.options, resident=True)
            )

    async def test_a_challenge_is_answered_once(self, people: People) -> None:
        jane = await people.user("jane")
        key = await people.with_passkey(jane)
        ceremony = await people.passkeys.begin_authentication(jane.id)
        answer = key.get(ceremony.options)
        await people.passkeys.finish_authentication(ceremony.ticket, answer, jane.id)
        with pytest.raises(BadCredentials, match="begin again"):
            await people.passkeys.finish_authentication(ceremony.ticket, answer, jane.id)
        other = await people.passkeys.begin_authentication(jane.id)
        with pytest.raises(BadCredentials):
            await people.passkeys.finish_authentication(other.ticket, answer, jane.id)

    async def test_and_not_for_ever(self, people: People) -> None:
        jane = await people.user("jane")
        key = await people.with_passkey(jane)
        ceremony = await people.passkeys.begin_authentication(jane.id)
        people.clock.advance(CHALLENGE_S)
        with pytest.raises(BadCredentials, match="begin again"):
            await people.passkeys.finish_authentication(ceremony.ticket, key.get(ceremony.options), jane.id)

    async def test_a_copied_key(self, people: People) -> None:
        jane = await people.user("jane")
        key = await people.with_passkey(jane)
        for counter, accepted in ((10, True), (5, False), (9, False), (20, True)):
            key.credentials[0].counter = counter
            ceremony = await people.passkeys.begin_authentication(jane.id)
            answer = key.get(ceremony.options)
            if accepted:
                await people.passkeys.finish_authentication(ceremony.ticket, answer, jane.id)
            else:
                with pytest.raises(BadCredentials):
                    await people.passkeys.finish_authentication(ceremony.ticket, answer, jane.id)

    async def test_a_key_that_does_not_count(self, people: People) -> None:
        jane = await people.user("jane")
        key = Authenticator(counts=False)
        ceremony = await people.passkeys.begin_registration(jane.id, "jane")
        await people.passkeys.finish_registration(ceremony.ticket, jane.id, key.create(ceremony.options))
        for _ in range(2):
            ceremony = await people.passkeys.begin_authentication(jane.id)
            await people.passkeys.finish_authentication(ceremony.ticket, key.get(ceremony.options), jane.id)

    async def test_somebody_elses_key(self, people: People) -> None:
        jane, joan = await people.user("jane"), await people.user("joan")
        await people.with_passkey(jane)
        key = await people.with_passkey(joan)
        ceremony = await people.passkeys.begin_authentication(jane.id)
        with pytest.raises(BadCredentials):
            await people.passkeys.finish_authentication(
                ceremony.ticket, key.get(ceremony.options, resident=True), jane.id
            )

    async def test_a_signature_by_another_key(self, people: People) -> None:
        jane = await people.user("jane")
        key, other = await people.with_passkey(jane), Authenticator()
        ceremony = await people.passkeys.begin_registration(jane.id, "jane")
        other.create(ceremony.options)
        key.credentials[0].key = other.credentials[0].key
        ceremony = await people.passkeys.begin_authentication(jane.id)
        with pytest.raises(BadCredentials):
            await people.passkeys.finish_authentication(ceremony.ticket, key.get(ceremony.options), jane.id)

    @pytest.mark.parametrize(
        "answer",
        [
            "",
            "[]",
            "{}",
            "[" * 5000,
            '{"id": "\\ud800"}',
            '{"id": "\\u0000"}',
            '{"id": 5, "rawId": [], "response": 7, "type": null}',
            "x" * 100_000,
        ],
    )
    async def test_garbage(self, answer: str, people: People) -> None:
        jane = await people.user("jane")
        await people.with_passkey(jane)
        ceremony = await people.passkeys.begin_authentication(jane.id)
        with pytest.raises(BadCredentials):
            await people.passkeys.finish_authentication(ceremony.ticket, answer, jane.id)
        ceremony = await people.passkeys.begin_registration(jane.id, "jane")
        with pytest.raises(BadCredentials):
            await people.passkeys.finish_registration(ceremony.ticket, jane.id, answer)

    async def test_a_registered_id_with_pieces_missing(self, people: People) -> None:
        jane = await people.user("jane")
        key = await people.with_passkey(jane)
        ceremony = await people.passkeys.begin_authentication(jane.id)
        whole = json.loads(key.get(ceremony.options))
        for piece in whole["response"]:
            ceremony = await people.passkeys.begin_authentication(jane.id)
            broken = {**whole, "response": {**whole["response"], piece: 7}}
            with pytest.raises(BadCredentials):
                await people.passkeys.finish_authentication(ceremony.ticket, json.dumps(broken), jane.id)


class TestRemoving:
    async def test_only_ones_own(self, people: People) -> None:
        jane, joan = await people.user("jane"), await people.user("joan")
        await people.with_passkey(jane)
        (passkey,) = await people.passkeys.passkeys_of(jane.id)
        with pytest.raises(NoSuchPrincipal):
            await people.passkeys.remove(joan.id, passkey.id)
        await people.passkeys.remove(jane.id, passkey.id)
        assert not await people.passkeys.has(jane.id)
