"""Who may do what, put together from `auth` and the configuration: for the server, and for the commands.

`Identity` is an open database with what reads and changes it; the commands need no more. `Guard` is what a
running server adds: the door that everybody comes through, the watch that shows them out again, and the
writer of the audit log.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.access.authority import Authority
from auth.access.door import Ask, Door
from auth.access.permit import Permit
from auth.access.rates import Rate, RateLimiter, Rates
from auth.access.seats import Seats
from auth.access.watch import PermitWatch
from auth.accounts.accounts import Accounts
from auth.accounts.api_keys import ApiKeys
from auth.accounts.groups import Groups
from auth.accounts.roster import read_roster
from auth.audit.entries import Event, Outcome, append
from auth.audit.writer import AuditLog
from auth.errors import AuthError, AuthUnavailable, RateLimited
from auth.factors.passwords import PasswordPolicy, Passwords
from auth.factors.totp import Totp
from auth.permissions.credentials import NoCredential
from auth.permissions.directory import Directory
from auth.permissions.grants import administrators, is_last_administrator, withdraw_all
from auth.platforms.records import erase_owned
from auth.tokens.issued import issue
from auth.tokens.tokens import SERVER, Issued, TokenOrder
from auth.vault.vault import Vault
from ops.identity.others import Others
from ops.storage.database import Alone, database_url, open_database
from ops.storage.vault import FileVault, open_vault
from streamer.config import Config
from streamer.errors import ConfigError, Finding
from streamer.sections.others import OthersConfig

_log = logging.getLogger(__name__)

MASTER_KEY_FILE = "master.key"
#: Refusals of one address that are kept; who hammers must not fill the database.
_REFUSALS = Rate(per_s=0.2, burst=20)
#: SIGTERM to exit is 5 s in all.
_WRITE_S = 1.0
#: How often it is written when API keys were used last.
_NOTE_EVERY_S = 10.0


class Identity:
    """The database of accounts, grants and tokens, open. Made by `open_identity`.

    Attributes:
        engine: the database.
        vault: seals what is secret in it.
        key_file: the vault's; None when its keys come from elsewhere.
        authority: decides, by what is in it.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        vault: Vault,
        key_file: Path | None,
        clock: Callable[[], float],
        policy: PasswordPolicy | None = None,
    ) -> None:
        self.engine = engine
        self.vault = vault
        self.key_file = key_file
        self.clock = clock
        self.authority = Authority(engine, vault, self._directory, clock=clock)
        self.accounts = Accounts(engine, self.is_last_administrator, clock=clock)
        self.accounts.on_delete.append(_withdraw_all)
        self.accounts.on_delete.append(erase_owned)
        self.groups = Groups(engine, self.is_last_administrator)
        self.passwords = Passwords(engine, policy, clock=clock)
        self.totp = Totp(engine, vault, clock=clock)
        self.api_keys = ApiKeys(engine, self.accounts, clock=clock)

    async def close(self) -> None:
        """Let go of the database."""
        await self.engine.dispose()

    async def directory(self) -> Directory:
        """Who there is now."""
        async with self.engine.connect() as connection:
            return await self._directory(connection)

    async def issue_token(self, order: TokenOrder) -> Issued:
        """Issue a token on this machine, where whoever holds the state directory may all.

        Raises:
            BadGrant: the order asks for what cannot be.
            AuthUnavailable: there is no key to sign with.
        """
        ring = self.authority.snapshot.ring
        async with self.engine.begin() as connection:
            made = await issue(connection, self.authority.tokens, ring, order, self.clock())
        await self.record(
            "token.issue",
            made.claims.token_id,
            actions=sorted(order.actions),
            streams=order.streams,
            subject=order.subject,
            expires_at=made.claims.expires_at,
            limits=order.limits.to_claim(),
        )
        return made

    async def record(self, what: str, target: str, /, **details: object) -> None:
        """Keep in the audit log what was done on this machine, by whoever holds its state directory."""
        async with self.engine.begin() as connection:
            event = Event(SERVER, what, target, details=details)
            await append(connection, self.vault, [event], self.clock())

    async def _directory(self, connection: AsyncConnection) -> Directory:
        roster = await read_roster(connection, self.clock())
        return Directory(roster.principals, roster.disabled, roster.sessions, roster.api_keys)

    async def is_last_administrator(self, connection: AsyncConnection, principal_id: str) -> bool:
        """Whether nobody would administer without this principal; with "": whether nobody does now."""
        directory = await self._directory(connection)
        if not principal_id:
            return not await administrators(connection, directory)
        return await is_last_administrator(connection, principal_id, directory)


def make_state_folder(config: Config) -> Path:
    """The state directory, made where there is none.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        config.state.dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        expected = f"expected a folder, or where one can be made: {(error.strerror or str(error)).lower()}"
        finding = Finding("state.dir", repr(str(config.state.dir)), expected)
        raise ConfigError("configuration", [finding]) from error
    return config.state.dir


async def open_identity(
    config: Config, clock: Callable[[], float] = time.time, alone: Alone = nullcontext
) -> Identity:
    """Open the database and the vault, and read who may do what. The caller closes it.

    Args:
        config: of the server.
        clock: seconds since 1970.
        alone: as of `open_database`.

    Raises:
        DatabaseError: the database cannot be opened.
        AuthError: it does not answer, or was sealed with another master key.
        ConfigError: the state directory cannot be made.
        OSError: what is in it cannot be used.
    """
    key_file = make_state_folder(config) / MASTER_KEY_FILE
    vault = await asyncio.to_thread(open_vault, config.vault, key_file)
    policy = PasswordPolicy(min_characters=config.auth.password_min_characters)
    kept = key_file if isinstance(vault, FileVault) else None
    identity = Identity(await open_database(database_url(config), alone), vault, kept, clock, policy)
    try:
        await identity.authority.start()
    except BaseException:
        await identity.close()
        raise
    return identity


class Guard:
    """Lets people in and out of a running server. Made on its event loop.

    Args:
        identity: by what is decided; the caller closes it.
        config: who else decides.

    Attributes:
        door: where everybody comes in.
        rates: how often an address may ask.
        audit: where it is kept what was refused.
        decisions: how many, by action and by "allowed" or "refused".
    """

    def __init__(self, identity: Identity, config: OthersConfig | None = None) -> None:
        config = config or OthersConfig()
        self.audit = AuditLog(identity.engine, identity.vault, clock=identity.clock)
        self._authority = identity.authority
        self._watch = PermitWatch(identity.authority)
        self._refusals = RateLimiter(_REFUSALS)
        seats = Seats(identity.engine, identity.clock)
        self.door = Door(identity.authority, seats, self._watch, witness=self._witness)
        self.rates = Rates.of(config.rates.login, config.rates.whep, config.rates.api)
        self._others = Others(identity.authority, self.door, config)
        self._api_keys = identity.api_keys
        self._used_keys: dict[str, float] = {}
        # The door is asked from threads of publishers too.
        self._counting = threading.Lock()
        self.decisions: Counter[tuple[str, str]] = Counter()
        # Apart from `run`: it writes what is still to be written after everything else has stopped.
        self._writer = asyncio.get_running_loop().create_task(self.audit.run())

    async def run(self) -> None:
        """Follow the database and end what is not permitted any more, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._authority.run())
            group.create_task(self._watch.run())
            group.create_task(self._note_used_keys())

    @property
    def sessions(self) -> int:
        """How many are in."""
        return len(self._watch)

    def apply(self, config: OthersConfig) -> None:
        """Do as a changed configuration says."""
        self._others.apply(config)
        self.rates.change(config.rates.login, config.rates.whep, config.rates.api)

    async def close(self) -> None:
        """Ask nobody any more, and write what is still to be written into the audit log."""
        await self._others.close()
        await self.audit.close()
        done, _ = await asyncio.wait({self._writer}, timeout=_WRITE_S)
        if not done:
            self._writer.cancel()
            await asyncio.wait({self._writer})
            self.audit.give_up()
        elif (error := self._writer.exception()) is not None:
            _log.error("the writer of the audit log failed", exc_info=error)

    def _witness(self, ask: Ask, answer: Permit | AuthError) -> None:
        """Count, and keep refusals of what was presented. Who came with nothing was told what is needed."""
        is_in = isinstance(answer, Permit)
        with self._counting:
            self.decisions[ask.action.value, "allowed" if is_in else "refused"] += 1
        if isinstance(answer, Permit):
            if answer.api_key:
                self._used_keys[answer.api_key] = answer.decided_at
            return
        if isinstance(ask.credential, NoCredential):
            return
        self.refused(_refusal(ask, answer))

    def refused(self, event: Event) -> None:
        """Keep a refusal, unless there were too many from its address."""
        try:
            self._refusals.check(event.address)
        except RateLimited:
            return
        self.audit.note(event)

    async def note_used_keys(self) -> None:
        """Write down when API keys were used, as `run` does now and then."""
        used, self._used_keys = self._used_keys, {}
        if not used:
            return
        try:
            await self._api_keys.note_used(used)
        except (SQLAlchemyError, AuthUnavailable, OSError, TimeoutError) as error:
            _log.warning("when API keys were used cannot be written: %s", type(error).__name__)

    async def _note_used_keys(self) -> None:
        while True:
            await asyncio.sleep(_NOTE_EVERY_S)
            await self.note_used_keys()


def _refusal(ask: Ask, error: AuthError) -> Event:
    event = Event("", f"refused.{ask.action}", ask.stream, ask.address, Outcome.REFUSED)
    return replace(event, details={"protocol": ask.protocol.value, "why": str(error)})


async def _withdraw_all(connection: AsyncConnection, principal_id: str) -> None:
    await withdraw_all(connection, principal_id)
