"""`[ldap]`: signing in with an account of a directory, such as OpenLDAP or Active Directory."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from auth.signin.ldap_options import LdapOptions
from streamer.sections.base import Section


class LdapConfig(Section):
    """A directory; without `urls` there is none."""

    urls: tuple[str, ...] = ()
    ca_file: Path | None = None
    bind_dn: str = ""
    bind_password: SecretStr | None = None
    user_base: str = ""
    user_filter: str = "(uid={name})"
    subject_attribute: str = "entryUUID"
    name_attribute: str = "uid"
    full_name_attribute: str = "cn"
    email_attribute: str = "mail"
    group_base: str = ""
    group_filter: str = "(|(member={dn})(uniqueMember={dn}))"
    groups: dict[str, str] = Field(default_factory=dict)
    creates: bool = True
    timeout_s: float = Field(5.0, ge=1, le=30)

    @model_validator(mode="after")
    def _usable(self) -> LdapConfig:
        if not self.urls:
            return self
        if not self.user_base:
            raise ValueError('expected user_base, for example "ou=people,dc=example,dc=com"')
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ValueError(f"ca_file: expected a PEM file, there is none at {self.ca_file}")
        self.options()
        return self

    def options(self) -> LdapOptions:
        """As `auth.signin.ldap` takes them.

        Raises:
            ValueError: they cannot be used.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        secret = self.bind_password
        values["bind_password"] = secret.get_secret_value() if secret is not None else ""
        return LdapOptions(**values)
