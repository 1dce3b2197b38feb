"""Who takes part: the accounts that can be chosen on the consent page, and the apps that ask for access.

Ids and secrets are the same in every sandbox, so that a configuration written for one fits the next. They
open nothing but a sandbox.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Platform(StrEnum):
    """Whose face it is; also the first part of the path under which it answers."""

    YOUTUBE = "youtube"
    FACEBOOK = "facebook"
    TWITCH = "twitch"
    CUSTOM = "custom"
    """Nobody's: the part of the sink that takes any key. It has no face."""


class ClientKind(StrEnum):
    """What an app was registered as. Google lets "web" use codes, "tv" the device flow, neither both."""

    WEB = "web"
    TV = "tv"
    ANY = "any"


class Certificate(StrEnum):
    """Whose word the sink's certificate is."""

    GOOD = "good"
    EXPIRED = "expired"
    WRONG_HOST = "wrong-host"
    UNKNOWN = "unknown"
    """Signed by an authority that nobody was told of."""


@dataclass(frozen=True)
class Page:
    """A Facebook Page that an account administers."""

    id: str
    name: str
    category: str = "Broadcasting & Media Production Company"


@dataclass(frozen=True)
class Account:
    """Somebody who can log in.

    Attributes:
        id: channel id, user id.
        login: how Twitch calls them in lower case.
        live_allowed: False: the platform does not let this account go live (yet).
    """

    platform: Platform
    id: str
    name: str
    login: str = ""
    live_allowed: bool = True
    pages: tuple[Page, ...] = ()


@dataclass(frozen=True)
class Client:
    """An app as registered with a platform.

    Attributes:
        redirect_uris: exactly these; none: anything on this machine.
    """

    platform: Platform
    id: str
    secret: str = field(repr=False)
    name: str = "Streamer"
    kind: ClientKind = ClientKind.ANY
    redirect_uris: frozenset[str] = frozenset()

    def redirects_to(self, uri: str) -> bool:
        """Whether this app may have its users sent there."""
        if self.redirect_uris:
            return uri in self.redirect_uris
        parts = urlsplit(uri)
        return parts.scheme in {"http", "https"} and parts.hostname in _LOOPBACK and not parts.fragment


ACCOUNTS = (
    Account(Platform.YOUTUBE, "UC7harbourRadioSandbox00", "Harbour Radio"),
    Account(Platform.YOUTUBE, "UC7northTheatreSandbox00", "North Theatre"),
    Account(Platform.YOUTUBE, "UC7newChannelSandbox0000", "New channel", live_allowed=False),
    Account(
        Platform.FACEBOOK,
        "122100000000000001",
        "Harriet Berg",
        pages=(
            Page("61550000000000011", "Harbour Radio"),
            Page("61550000000000012", "Harbour Kitchen", "Restaurant"),
        ),
    ),
    Account(Platform.FACEBOOK, "122100000000000002", "Nadia New", live_allowed=False),
    Account(Platform.TWITCH, "901000001", "HarbourRadio", "harbourradio"),
    Account(Platform.TWITCH, "901000002", "NorthTheatre", "norththeatre"),
)

CLIENTS = (
    Client(
        Platform.YOUTUBE,
        "100000000001-web.apps.googleusercontent.com",
        "GOCSPX-sandbox-web",
        kind=ClientKind.WEB,
    ),
    Client(
        Platform.YOUTUBE,
        "100000000001-tv.apps.googleusercontent.com",
        "GOCSPX-sandbox-tv",
        kind=ClientKind.TV,
    ),
    Client(Platform.FACEBOOK, "100000000000002", "sandbox-facebook-app-secret"),
    Client(Platform.TWITCH, "sandboxtwitchclient0000000000", "sandbox-twitch-client-secret"),
)
# Facebook's device login names an app by its client token instead of its secret.
FACEBOOK_CLIENT_TOKEN = "sandbox-facebook-client-token"


class Register:
    """The accounts and apps of one sandbox."""

    def __init__(self, accounts: Iterable[Account] = ACCOUNTS, clients: Iterable[Client] = CLIENTS) -> None:
        self.accounts = list(accounts)
        self.clients = list(clients)

    def client(self, platform: Platform, client_id: str) -> Client | None:
        """The app of this id."""
        return next((c for c in self.clients if (c.platform, c.id) == (platform, client_id)), None)

    def account(self, platform: Platform, account_id: str) -> Account | None:
        """The account of this id."""
        return next((a for a in self.accounts if (a.platform, a.id) == (platform, account_id)), None)

    def accounts_of(self, platform: Platform) -> list[Account]:
        """Those that can be chosen on its pages."""
        return [a for a in self.accounts if a.platform is platform]

    def replace(self, client: Client) -> None:
        """Register an app, or change what is registered of it."""
        self.clients = [c for c in self.clients if (c.platform, c.id) != (client.platform, client.id)]
        self.clients.append(client)
