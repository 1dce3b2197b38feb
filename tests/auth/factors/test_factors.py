from __future__ import annotations

import pytest

from auth.errors import BadCredentials
from auth.factors.factors import Proof
from tests.auth.rig import People

DATABASES = ("sqlite",)


async def test_what_an_account_has(people: People) -> None:
    jane = await people.user("jane")
    # By themselves recovery codes are no factor.
    await people.recovery.issue(jane.id)
    assert await people.factors.enrolled(jane.id) == frozenset()
    await people.with_passkey(jane)
    assert await people.factors.enrolled(jane.id) == {"passkey", "recovery"}
    await people.with_app(jane)
    assert await people.factors.enrolled(jane.id) == {"totp", "passkey", "recovery"}
    await people.factors.reset(jane.id)
    assert await people.factors.enrolled(jane.id) == frozenset()
    assert await people.recovery.left(jane.id) == 0


async def test_a_group_can_require_one_also_through_other_groups(people: People) -> None:
    jane, joan = await people.user("jane"), await people.user("joan")
    inner = await people.group("inner", jane)
    outer = await people.group("outer", inner)
    await people.group("lenient", joan)
    assert not await people.factors.required(await people.accounts.principal(jane.id))
    await people.accounts.require_factor(outer.id, True)
    assert await people.factors.required(await people.accounts.principal(jane.id))
    assert not await people.factors.required(await people.accounts.principal(joan.id))


async def test_what_is_shown(people: People) -> None:
    jane = await people.user("jane")
    app, key = await people.with_app(jane), await people.with_passkey(jane)
    codes = await people.recovery.issue(jane.id)
    assert await people.factors.check(jane.id, Proof(people.code(app))) == "totp"
    assert await people.factors.check(jane.id, Proof(codes[0])) == "recovery"
    ceremony = await people.passkeys.begin_authentication(jane.id)
    proof = Proof(passkey_ticket=ceremony.ticket, passkey_answer=key.get(ceremony.options))
    assert await people.factors.check(jane.id, proof) == "passkey"
    for wrong in (proof, Proof(codes[0]), Proof(people.code(app)), Proof()):
        with pytest.raises(BadCredentials):
            await people.factors.check(jane.id, wrong)


def test_it_is_not_shown_in_logs() -> None:
    assert "123456" not in repr(Proof("123456"))
    assert "secret" not in repr(Proof(passkey_ticket="secret", passkey_answer="secret"))
