"""OpenLDAP with a few people in it: Debian's slapd, a temporary folder, ephemeral ports, a CA of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.wait import wait_until
from tests.rigs.certificates import Authority
from tests.rigs.processes import answers, as_user, folder, free_port, running

BASE = "dc=example,dc=org"
ADMIN = f"cn=admin,{BASE}"
ADMIN_PASSWORD = "of the directory's admin"
PEOPLE = {
    "dora": "her password there",
    "dan": "his (password) * there",
    "o'neil*)(": "of a strange name",
}

_CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {home}/slapd.pid
TLSCACertificateFile {home}/ca.pem
TLSCertificateFile {home}/server.pem
TLSCertificateKeyFile {home}/server.key
database mdb
suffix "{base}"
rootdn "{admin}"
rootpw "{password}"
directory {home}/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{admin}" write by * none
"""


@dataclass(frozen=True)
class Slapd:
    """Attributes: `ca` is the certificate to trust."""

    port: int
    tls_port: int
    ca: Path


def _entries() -> str:
    def escaped(name: str) -> str:
        return "".join(f"\\{letter}" if letter in ',+"\\<>;=' else letter for letter in name)

    people = [
        f"dn: uid={escaped(name)},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {name}\n"
        f"cn: {name.title()} Doe\nsn: Doe\nmail: {name[:3]}@example.org\nuserPassword: {password}\n"
        for name, password in PEOPLE.items()
    ]
    twins = [
        f"dn: cn=twin {number},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: twin\ncn: twin {number}\n"
        f"sn: Doe\nuserPassword: of the twins\n"
        for number in (1, 2)
    ]
    return "\n".join(
        [
            f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n",
            f"dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n",
            f"dn: ou=groups,{BASE}\nobjectClass: organizationalUnit\nou: groups\n",
            *people,
            *twins,
            f"dn: cn=Operators,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: Operators\n"
            f"member: uid=dora,ou=people,{BASE}\nmember: uid=dan,ou=people,{BASE}\n",
            f"dn: cn=Chiefs,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: Chiefs\n"
            f"member: uid=dora,ou=people,{BASE}\n",
            f"dn: cn=Unmapped,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: Unmapped\n"
            f"member: uid=dora,ou=people,{BASE}\n",
        ]
    )


@contextmanager
def slapd() -> Iterator[Slapd]:
    program, user = Path("/usr/sbin/slapd"), "openldap"
    assert program.exists(), "slapd is missing; ops/bootstrap.sh test installs it"
    with folder(user) as home:
        authority = Authority("directory's CA")
        certificate, key = authority.issue("127.0.0.1")
        (home / "data").mkdir()
        configuration = _CONFIGURATION.format(home=home, base=BASE, admin=ADMIN, password=ADMIN_PASSWORD)
        for name, content in {
            "ca.pem": authority.pem, "server.pem": certificate, "server.key": key,
            "slapd.conf": configuration.encode(), "entries.ldif": _entries().encode(),
        }.items():  # fmt: skip
            (home / name).write_bytes(content)
        for path in (home / "data", home / "server.key"):
            subprocess.run(["chown", user, path], check=True) if home.stat().st_uid else None
        home.chmod(0o755)
        subprocess.run(
            as_user(user, "/usr/sbin/slapadd", "-f", home / "slapd.conf", "-l", home / "entries.ldif"),
            check=True, capture_output=True, cwd="/",
        )  # fmt: skip
        plain, encrypted = free_port(), free_port()
        urls = f"ldap://127.0.0.1:{plain}/ ldaps://127.0.0.1:{encrypted}/"
        command = as_user(user, program, "-f", home / "slapd.conf", "-h", urls, "-d", "0")
        with running(command, home / "log") as process:
            wait_until(lambda: process.poll() is not None or (answers(plain) and answers(encrypted)), "slapd")
            assert process.poll() is None, (home / "log").read_text(encoding="utf-8")
            yield Slapd(plain, encrypted, home / "ca.pem")
