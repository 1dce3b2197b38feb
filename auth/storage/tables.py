"""Where accounts, what proves them and their sessions are kept.

Every secret here is a hash, or sealed by the vault. Times are seconds since 1970, UTC. One table holds users,
service accounts and groups alike, because names are unique among all of them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
)

from auth.storage.schema import metadata

#: `secrets.token_hex(16)`.
ID_CHARACTERS = 32
#: SHA-256 as hexadecimal digits.
_HASH_CHARACTERS = 64
MAX_NAME_CHARACTERS = 128


def _principal(*, primary_key: bool = False, name: str = "principal_id") -> Column[str]:
    return Column(
        name,
        String(ID_CHARACTERS),
        ForeignKey("auth_principal.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


principals = Table(
    "auth_principal",
    metadata,
    Column("id", String(ID_CHARACTERS), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("name", String(MAX_NAME_CHARACTERS), nullable=False),
    # The name as it is compared; folding can lengthen it.
    Column("folded", String(4 * MAX_NAME_CHARACTERS), nullable=False, unique=True),
    Column("full_name", String(256), nullable=False),
    Column("email", String(320), nullable=False),
    Column("disabled", Boolean, nullable=False),
    # Groups only: whoever is in it needs a second factor.
    Column("factor_required", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
)

memberships = Table(
    "auth_membership",
    metadata,
    _principal(primary_key=True, name="group_id"),
    _principal(primary_key=True, name="member_id"),
    # "" was made here by hand; else the directory or provider that says so and may take it back.
    Column("source", String(64), primary_key=True),
    Index("ix_auth_membership_member_id", "member_id"),
)

identities = Table(
    "auth_identity",
    metadata,
    Column("provider", String(64), primary_key=True),
    Column("subject", String(512), primary_key=True),
    _principal(),
    Index("ix_auth_identity_principal_id", "principal_id"),
)

passwords = Table(
    "auth_password",
    metadata,
    _principal(primary_key=True),
    Column("hash", String(512), nullable=False),
    Column("changed_at", Double, nullable=False),
)

api_keys = Table(
    "auth_api_key",
    metadata,
    Column("prefix", String(16), primary_key=True),
    _principal(),
    Column("hash", String(_HASH_CHARACTERS), nullable=False),
    Column("label", String(128), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("used_at", Double),
    Index("ix_auth_api_key_principal_id", "principal_id"),
)

totp_seeds = Table(
    "auth_totp",
    metadata,
    _principal(primary_key=True),
    # In use; None while the first one is being set up.
    Column("sealed", String(1024)),
    # Shown to the user, not yet proven.
    Column("pending", String(1024)),
    # The last time step whose code was taken; no code counts twice.
    Column("last_step", BigInteger, nullable=False),
)

recovery_codes = Table(
    "auth_recovery_code",
    metadata,
    _principal(primary_key=True),
    Column("hash", String(_HASH_CHARACTERS), primary_key=True),
)

passkeys = Table(
    "auth_passkey",
    metadata,
    # The authenticator's credential id, base64url.
    Column("id", String(1400), primary_key=True),
    _principal(),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("label", String(128), nullable=False),
    Column("transports", String(128), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double),
    Index("ix_auth_passkey_principal_id", "principal_id"),
)

sessions = Table(
    "auth_session",
    metadata,
    # Of the cookie's value.
    Column("hash", String(_HASH_CHARACTERS), primary_key=True),
    # What lists of sessions show, and what revoking names.
    Column("handle", String(ID_CHARACTERS), nullable=False, unique=True),
    _principal(),
    Column("method", String(64), nullable=False),
    Column("with_factor", Boolean, nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("proven_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("ix_auth_session_principal_id", "principal_id"),
    Index("ix_auth_session_expires_at", "expires_at"),
)

setup_tokens = Table(
    "auth_setup",
    metadata,
    # One row with id 1, or none.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("hash", String(_HASH_CHARACTERS), nullable=False),
    Column("expires_at", Double, nullable=False),
)
