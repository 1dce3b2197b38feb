from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from auth.errors import AuthUnavailable
from auth.signin.ldap import Ldap
from auth.signin.ldap_options import LdapOptions
from tests.rigs.certificates import Authority
from tests.rigs.processes import free_port
from tests.rigs.slapd import ADMIN, ADMIN_PASSWORD, BASE, PEOPLE, Slapd, slapd

DATABASES = ("sqlite",)
#: What follows the message's number in an answer to a bind (RFC 4511 section 4.2.2): resultCode 51.
BUSY = bytes.fromhex("6107 0a0133 0400 0400")


@pytest.fixture(scope="module")
def directory() -> Iterator[Slapd]:
    with slapd() as running:
        yield running


@pytest.fixture
def options(directory: Slapd) -> LdapOptions:
    return LdapOptions(
        urls=(f"ldaps://127.0.0.1:{directory.tls_port}",),
        ca_file=directory.ca,
        bind_dn=ADMIN,
        bind_password=ADMIN_PASSWORD,
        user_base=f"ou=people,{BASE}",
        group_base=f"ou=groups,{BASE}",
        groups={"operators": "ops", f"CN=Chiefs, OU=groups, {BASE}": "admins"},
    )


class TestAsking:
    async def test_who_somebody_is(self, options: LdapOptions) -> None:
        arrival = await Ldap(options).authenticate("dora", PEOPLE["dora"])
        assert arrival is not None
        assert (arrival.provider, arrival.name) == ("ldap", "dora")
        assert (arrival.full_name, arrival.email) == ("Dora Doe", "dor@example.org")
        assert arrival.groups == {"ops", "admins"}
        assert len(arrival.subject) == 36  # an entryUUID

    async def test_the_name_is_the_directorys(self, options: LdapOptions) -> None:
        plain = await Ldap(options).authenticate("dan", PEOPLE["dan"])
        shouted = await Ldap(options).authenticate("DAN", PEOPLE["dan"])
        assert plain == shouted
        assert plain is not None
        assert plain.groups == {"ops"}

    async def test_over_start_tls(self, options: LdapOptions, directory: Slapd) -> None:
        ldap = Ldap(replace(options, urls=(f"ldap://127.0.0.1:{directory.port}",)))
        assert await ldap.authenticate("dora", PEOPLE["dora"]) is not None
        assert await ldap.authenticate("dora", "wrong") is None

    @pytest.mark.parametrize("change", [{"group_base": ""}, {"groups": {}}])
    async def test_groups_left_alone(self, change: dict[str, Any], options: LdapOptions) -> None:
        arrival = await Ldap(replace(options, **change)).authenticate("dora", PEOPLE["dora"])
        assert arrival is not None
        assert arrival.groups is None

    @pytest.mark.parametrize(
        ("name", "password"),
        [
            ("dora", "wrong"),
            ("dora", PEOPLE["dan"]),
            ("nobody", PEOPLE["dora"]),
            ("dora", ""),
            ("", ""),
            ("", PEOPLE["dora"]),
            ("do\0ra", PEOPLE["dora"]),
            ("dora", PEOPLE["dora"] + "\0"),
            ("\udcff", "\udcff"),
            ("dora", "of two \u05d0 directions"),
            ("dora", "\ufe00"),
            ("twin", "of the twins"),
        ],
    )
    async def test_nobody(self, name: str, password: str, options: LdapOptions) -> None:
        assert await Ldap(options).authenticate(name, password) is None

    @pytest.mark.parametrize(
        "name", ["*", "d*", "dora)(uid=*", "*)(|(uid=*", "dora)(objectClass=*))(&(uid=x", "(dora)", "\\2a"]
    )
    async def test_a_name_is_no_filter(self, name: str, options: LdapOptions) -> None:
        assert await Ldap(options).authenticate(name, PEOPLE["dora"]) is None

    async def test_names_that_look_like_one_are_found(self, options: LdapOptions) -> None:
        arrival = await Ldap(options).authenticate("o'neil*)(", PEOPLE["o'neil*)("])
        assert arrival is not None
        assert arrival.name == "o'neil*)("
        assert arrival.groups == frozenset()

    async def test_many_at_once(self, options: LdapOptions) -> None:
        ldap = Ldap(replace(options, concurrent=3))
        found = await asyncio.gather(*(ldap.authenticate("dora", PEOPLE["dora"]) for _ in range(12)))
        assert len(found) == 12
        assert None not in found


class TestNotAnswering:
    async def test_the_next_one_is_asked(self, options: LdapOptions) -> None:
        ldap = Ldap(replace(options, urls=(f"ldaps://127.0.0.1:{free_port()}", *options.urls)))
        assert await ldap.authenticate("dora", PEOPLE["dora"]) is not None

    async def test_nor_is_one_that_is_busy_the_last_to_be_asked(
        self, options: LdapOptions, directory: Slapd, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        authority = Authority("the busy one's CA")
        certificate, key = authority.issue("127.0.0.1")
        (tmp_path / "both.pem").write_bytes(certificate + key)
        (tmp_path / "ca.pem").write_bytes(directory.ca.read_bytes() + authority.pem)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tmp_path / "both.pem")
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def answer() -> None:
                with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                    asked = connection.recv(4096)
                    numbered = asked[2 : 4 + asked[3]] + BUSY
                    connection.sendall(bytes([0x30, len(numbered)]) + numbered)
                    connection.recv(4096)

            busy = threading.Thread(target=answer)
            busy.start()
            urls = (f"ldaps://127.0.0.1:{listener.getsockname()[1]}", *options.urls)
            ldap = Ldap(replace(options, urls=urls, ca_file=tmp_path / "ca.pem"))
            assert await ldap.authenticate("dora", PEOPLE["dora"]) is not None
            busy.join()
        assert f"{urls[0]}: the directory refuses" in caplog.text

    async def test_a_certificate_of_another_ca(self, options: LdapOptions, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_bytes(Authority("somebody").pem)
        for urls in (options.urls, (options.urls[0],)):
            with pytest.raises(AuthUnavailable, match="does not answer"):
                await Ldap(replace(options, urls=urls, ca_file=tmp_path / "ca.pem")).authenticate("dora", "x")

    async def test_a_certificate_for_another_name(self, options: LdapOptions, directory: Slapd) -> None:
        for url in (f"ldaps://localhost:{directory.tls_port}", f"ldap://localhost:{directory.port}"):
            with pytest.raises(AuthUnavailable, match="does not answer"):
                await Ldap(replace(options, urls=(url,))).authenticate("dora", PEOPLE["dora"])

    async def test_a_service_account_that_is_refused(self, options: LdapOptions) -> None:
        with pytest.raises(AuthUnavailable, match="refuses") as refused:
            await Ldap(replace(options, bind_password="the-secret")).authenticate("dora", PEOPLE["dora"])
        assert "the-secret" not in str(refused.value)

    @pytest.mark.parametrize(
        "change", [{"user_base": f"ou=peopel,{BASE}"}, {"bind_dn": "", "bind_password": ""}]
    )
    async def test_a_search_that_fails_is_no_wrong_password(
        self, change: dict[str, str], options: LdapOptions
    ) -> None:
        with pytest.raises(AuthUnavailable, match="a search for users with 'noSuchObject'"):
            await Ldap(replace(options, **change)).authenticate("dora", PEOPLE["dora"])

    async def test_an_attribute_that_is_not_told(self, options: LdapOptions) -> None:
        ldap = Ldap(replace(options, subject_attribute="title"))
        with pytest.raises(AuthUnavailable, match="tells no title"):
            await ldap.authenticate("dora", PEOPLE["dora"])

    async def test_a_server_that_says_nothing(self, options: LdapOptions) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"ldaps://127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(AuthUnavailable):
                await Ldap(replace(options, urls=(url,), timeout_s=0.2)).authenticate("dora", "x")

    def test_a_ca_file_that_is_not_there(self, options: LdapOptions) -> None:
        with pytest.raises(OSError, match="No such file"):
            Ldap(replace(options, ca_file=Path("/nowhere/ca.pem")))


class TestOptions:
    @pytest.mark.parametrize(
        "urls", [(), ("directory.example",), ("http://x",), ("ldap://",), ("ldaps://x/dc=a",)]
    )
    def test_addresses_that_are_none(self, urls: tuple[str, ...], options: LdapOptions) -> None:
        with pytest.raises(ValueError, match="expected"):
            replace(options, urls=urls)

    def test_a_filter_that_finds_everybody(self, options: LdapOptions) -> None:
        with pytest.raises(ValueError, match="name"):
            replace(options, user_filter="(objectClass=person)")

    def test_the_password_is_not_shown(self, options: LdapOptions) -> None:
        assert ADMIN_PASSWORD not in repr(options)
