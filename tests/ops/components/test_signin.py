from __future__ import annotations

from pathlib import Path

import pytest

from auth.errors import AuthUnavailable
from auth.factors.ceremonies import Site
from ops.components.signin import SignIn, passkey_site
from ops.identity.identity import Guard, open_identity
from streamer.config import parse


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
