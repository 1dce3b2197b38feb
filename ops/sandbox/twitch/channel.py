"""A channel: its title, its category, its key, and whether it is live. Twitch goes live by itself."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, field

from ops.sandbox.parties import Account
from ops.sandbox.reception import StreamKey

_STREAM_IDS = itertools.count(40_000_000_001)


@dataclass(frozen=True)
class Game:
    """A category."""

    id: str
    name: str
    igdb_id: str = ""


GAMES = (
    Game("509658", "Just Chatting"),
    Game("26936", "Music"),
    Game("509660", "Art"),
    Game("509663", "Special Events"),
    Game("518203", "Sports"),
    Game("1469308723", "Software and Game Development"),
    Game("509672", "Travel & Outdoors"),
    Game("33214", "Fortnite", "1905"),
    Game("743", "Chess", "33480"),
)


@dataclass(eq=False)
class Channel:
    """One channel.

    Attributes:
        stream_id: of the present broadcast, "" while there is none.
    """

    account: Account
    key: StreamKey
    title: str = ""
    game: Game | None = None
    language: str = "en"
    tags: tuple[str, ...] = ()
    delay_s: int = 0
    viewers: int = 0
    stream_id: str = ""
    started_at: float | None = None
    ended_at: float | None = None

    def settle(self, now: float) -> None:
        """Live while a picture comes in; the broadcast goes on for a while when it stops."""
        reception = self.key.reception
        if reception.active and not self.stream_id:
            self.stream_id, self.started_at = str(next(_STREAM_IDS)), now
            self.ended_at = None
        # Twitch waits for an encoder that comes back for a minute and a half.
        over = reception.said_goodbye or reception.away_s > 90.0
        if self.stream_id and not reception.active and over:
            self.stream_id, self.ended_at = "", now


@dataclass
class Channels:
    """All channels, by the account's id."""

    by_id: dict[str, Channel] = field(default_factory=dict)

    def search(self, text: str) -> list[Game]:
        """The categories whose name has all the words."""
        words = text.lower().split()
        return [game for game in GAMES if all(word in game.name.lower() for word in words)]


def new_key(account: Account) -> str:
    """A stream key as Twitch's look."""
    return f"live_{account.id}_{secrets.token_urlsafe(22)[:30]}"


def game_of(game_id: str) -> Game | None:
    """The category of this id."""
    return next((game for game in GAMES if game.id == game_id), None)
