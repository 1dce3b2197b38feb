"""Where a directory is, and what is where in it; apart from `auth.signin.ldap`, whose library few need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

PORTS = {"ldap": 389, "ldaps": 636}


@dataclass(frozen=True, slots=True)
class LdapOptions:
    """A directory, and where things are in it.

    Attributes:
        urls: `ldaps://host[:636]`, or `ldap://host[:389]`, which StartTLS then encrypts; tried in this order.
        ca_file: certificates to trust, PEM; None for the system's.
        bind_dn: the service's own account, which may search; "" to search without.
        user_base: where users are.
        user_filter: finds one; `{name}` is what was typed, made safe.
        subject_attribute: never changes; `objectGUID` in Active Directory.
        name_attribute: what users are called here.
        group_base: where groups are; "" to leave groups alone.
        group_filter: finds those of a user; `{dn}` is the user's, made safe.
        groups: a group's DN or `cn` there to its name here.
        creates: whether a first login makes an account.
        timeout_s: for connecting, and for each answer.
        concurrent: how many threads at most.

    Raises:
        ValueError: an address is not one of these, or no filter for names.
    """

    urls: tuple[str, ...]
    user_base: str
    ca_file: Path | None = None
    bind_dn: str = ""
    bind_password: str = field(default="", repr=False)
    user_filter: str = "(uid={name})"
    subject_attribute: str = "entryUUID"
    name_attribute: str = "uid"
    full_name_attribute: str = "cn"
    email_attribute: str = "mail"
    group_base: str = ""
    group_filter: str = "(|(member={dn})(uniqueMember={dn}))"
    groups: Mapping[str, str] = field(default_factory=dict)
    creates: bool = True
    timeout_s: float = 5.0
    concurrent: int = 4

    def __post_init__(self) -> None:
        if not self.urls:
            raise ValueError("expected at least one ldaps://host or ldap://host")
        for url in self.urls:
            parts = urlsplit(url)
            if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/"):
                raise ValueError(f"{url!r}: expected ldaps://host:port, or ldap://host:port for StartTLS")
        if "{name}" not in self.user_filter:
            raise ValueError('expected a user filter with {name} in it, as "(uid={name})"')
