from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from auth.errors import AuthUnavailable
from auth.factors.ceremonies import Site
from auth.permissions.principals import Kind
from auth.signin.visitors import Visitor
from ops.components.signin import SignIn, passkey_site
from ops.identity.identity import Guard, open_identity
from streamer.config import parse
from tests.auth.rig import Clock
from tests.fakes.wait import until


@pytest.mark.parametrize(
    ("http", "expected"),
    [
        ({"public_url": "https://live.example"}, Site("live.example", ("https://live.example",))),
        (
            {"public_url": "https://live.example:8443", "listen": "0.0.0.0:8443"},
            Site("live.example", ("https://live.example:8443",)),
        ),
        # Browsers bind passkeys to names only.
        ({"public_url": "https://192.0.2.7"}, None),
        ({"listen": "127.0.0.1:8080"}, Site("localhost", ("http://localhost:8080",))),
        (
            {"listen": "0.0.0.0:443", "acme_domain": "live.example", "redirect_from": "0.0.0.0:80"},
            Site("live.example", ("https://live.example",)),
        ),
    ],
)
def test_what_passkeys_are_bound_to(http: dict[str, object], expected: Site | None) -> None:
    assert passkey_site(parse({"http": http})) == expected


def seen_at(path: Path) -> float:
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute("SELECT seen_at FROM auth_session").fetchone()
    return float(found)


async def test_when_sessions_were_used_is_written_beside_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ops.components.signin._NOTE_EVERY_S", 0.01)
    config = parse({"state": {"dir": tmp_path}})
    clock = Clock()
    identity = await open_identity(config, clock)
    guard = Guard(identity)
    signin = SignIn(identity, guard, config)
    running = asyncio.create_task(signin.run())
    try:
        anna = await identity.accounts.create(Kind.USER, "anna")
        visitor = Visitor("192.0.2.7")
        opened = await signin.sessions.open(anna.id, visitor, method="password", with_factor=False)
        await signin.sessions.authenticate(opened.cookie)
        clock.advance(61)
        async with identity.engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE auth_session RENAME TO away")
        await signin.sessions.authenticate(opened.cookie)
        await until(lambda: "when sessions were used cannot be written: AuthUnavailable" in caplog.text)
        async with identity.engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE away RENAME TO auth_session")
        await until(lambda: seen_at(tmp_path / "streamer.db") == clock.now)
    finally:
        running.cancel()
        await asyncio.wait({running})
        await signin.close()
        await guard.close()
        await identity.close()


async def test_a_directory_whose_certificates_cannot_be_read(tmp_path: Path) -> None:
    spoilt = tmp_path / "ca.pem"
    spoilt.write_text("not a certificate")
    config = parse(
        {
            "state": {"dir": tmp_path},
            "ldap": {
                "urls": ["ldaps://ldap.example"],
                "user_base": "ou=people,dc=example",
                "ca_file": spoilt,
            },
        }
    )
    identity = await open_identity(config)
    try:
        with pytest.raises(AuthUnavailable, match=r"\[ldap\] ca_file"):
            SignIn(identity, Guard(identity), config)
    finally:
        await identity.close()
