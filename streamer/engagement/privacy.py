"""Pseudonyms that last a day, and addresses without their last part.

A viewer's pseudonym is a keyed hash of what his browser shows anyway: address and User-Agent. Its key, the
salt of the day, is random, shared by all machines through the database, sealed there, and deleted when the
day (UTC) is over: from then on nobody, we included, can tell from whom a pseudonym came, or that two of
different days are the same person's. Who asks not to be tracked (DNT, Global Privacy Control) gets no
pseudonym at all.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Mapping

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.errors import VaultError
from auth.storage.transactions import upsert
from auth.vault.vault import Vault
from streamer.engagement.batch import DAY_S
from streamer.engagement.store import overwrite
from streamer.engagement.tables import salts

_SALT_BYTES = 32
_EARLY_S = 60.0
_PSEUDONYM_CHARACTERS = 32
_CONTEXT = "engagement-salt"
_KEPT = {4: 24, 6: 48}


def pseudonym(salt: bytes, *known: str) -> str:
    """The name of the day for whoever shows these."""
    # Lengths keep ("a", "bc") and ("ab", "c") apart.
    parts = (f"{len(part)}:{part}" for part in known)
    digest = hmac.digest(salt, "".join(parts).encode(errors="surrogatepass"), "sha256")
    return digest.hex()[:_PSEUDONYM_CHARACTERS]


def truncated(address: str) -> str:
    """The network an address is in, /24 or /48; "" for what is no address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    known = mapped or parsed
    return str(ipaddress.ip_network((known, _KEPT[known.version]), strict=False))


def wants_no_tracking(headers: Mapping[str, str]) -> bool:
    """Whether a browser asks for it: Do Not Track, or Global Privacy Control."""
    return headers.get("DNT", "").strip() == "1" or headers.get("Sec-GPC", "").strip() == "1"


class Salts:
    """The salt of the day.

    Args:
        engine: the database that all machines share.
        vault: seals it there.
    """

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault
        self._today = -1
        self._known: dict[int, bytes] = {}

    def of(self, now: float) -> bytes:
        """Today's salt; b"" when it is not known, and nobody can have a pseudonym."""
        return self._known.get(int(now) // DAY_S, b"")

    async def renew(self, now: float) -> None:
        """Agree with the other machines on today's salt, and destroy earlier ones. Cheap when it is known."""
        today = int(now) // DAY_S
        # That of tomorrow in time: who comes in a day's first second is to have a name, too.
        days = dict.fromkeys((today, int(now + _EARLY_S) // DAY_S))
        missing = [day for day in days if day not in self._known]
        if today == self._today and not missing:
            return
        async with self._engine.begin() as connection:
            await overwrite(connection)
            agreed = {day: await self._agree(connection, day) for day in missing}
            await connection.execute(delete(salts).where(salts.c.day < today))
        self._known = {day: salt for day, salt in (self._known | agreed).items() if day in days}
        self._today = today

    async def _agree(self, connection: AsyncConnection, day: int) -> bytes:
        sealed = self._vault.seal(secrets.token_bytes(_SALT_BYTES), f"{_CONTEXT}:{day}")
        offered = upsert(connection, salts).values(day=day, sealed=sealed)
        await connection.execute(offered.on_conflict_do_nothing())
        agreed = (await connection.execute(select(salts.c.sealed).where(salts.c.day == day))).scalar_one()
        try:
            return self._vault.open(str(agreed), f"{_CONTEXT}:{day}")
        except VaultError:
            # Sealed under a master key that was dropped: from now on everybody has another name.
            await connection.execute(update(salts).where(salts.c.day == day).values(sealed=sealed))
            return self._vault.open(sealed, f"{_CONTEXT}:{day}")
