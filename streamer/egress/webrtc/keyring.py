"""The content keys of one stream: which one seals now, which comes next, and when.

On schedule the next key is announced before it is used, so that players have it in time. When a viewer is
removed, the key in use and an announced one are known to it: another, unannounced one takes over at once, but
at most once a second, and players fetch it when they meet it. Keys of the recent past are still given out:
who joins in the middle of a GOP needs the one it began under.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from transport.e2e import KEY_INDICES, ContentKey, FrameCipher, TrailerCipher

_MAX_ANNOUNCED_S = 60.0
#: Of the time between rotations.
_ANNOUNCED_SHARE = 0.25
_MIN_LIFE_S = 1.0
_REMEMBERED_S = 120.0
# So that none of those that are remembered has the name of one in use or to come.
_MAX_REMEMBERED = len(KEY_INDICES) - 3


@dataclass(frozen=True, slots=True)
class Keys:
    """What a player needs to know at one moment.

    Attributes:
        current: what seals now.
        next: what will, once it is announced.
        previous: what did, the latest first.
        rotates_in_s: when the next takes over.
        ask_again_in_s: when there will be something new, if nobody is removed until then.
        ask_within_s: and how long that leaves all players to ask.
    """

    current: FrameCipher
    next: FrameCipher | None
    previous: tuple[FrameCipher, ...]
    rotates_in_s: float
    ask_again_in_s: float
    ask_within_s: float


class KeyRing:
    """The keys of one stream. Any thread. All times: time.monotonic().

    Args:
        key_bytes: 16 or 32.
        rotate_s: how long a key is used.
        now: when the first one begins.
        make: the frame format.
    """

    def __init__(
        self,
        key_bytes: int,
        rotate_s: float,
        now: float,
        make: Callable[[ContentKey], FrameCipher] = TrailerCipher,
    ) -> None:
        self._key_bytes = key_bytes
        self._rotate_s = rotate_s
        self._announced_s = min(_MAX_ANNOUNCED_S, rotate_s * _ANNOUNCED_SHARE)
        self._make = make
        self._indices = itertools.cycle(KEY_INDICES)
        self._lock = threading.Lock()
        self._since = now
        self._rotates_at = now + rotate_s
        self._previous: deque[tuple[FrameCipher, float]] = deque(maxlen=_MAX_REMEMBERED)
        self._current = self._fresh()
        self._next = self._fresh(self._current)

    def cipher(self, now: float) -> FrameCipher:
        """What seals a frame now."""
        if now >= self._rotates_at:
            with self._lock:
                self._advance(now)
        return self._current

    def keys(self, now: float) -> Keys:
        """What whoever may watch is told now."""
        with self._lock:
            self._advance(now)
            left_s = self._rotates_at - now
            announced = left_s <= self._announced_s
            wait_s = left_s - self._announced_s + (self._rotate_s if announced else 0.0)
            recent = tuple(c for c, until in self._previous if now - until < _REMEMBERED_S)
            return Keys(
                self._current,
                self._next if announced else None,
                recent,
                rotates_in_s=left_s,
                ask_again_in_s=wait_s,
                ask_within_s=self._announced_s,
            )

    def revoke(self, now: float) -> None:
        """Let a key take over that nobody has been told, because somebody must not watch any more."""
        with self._lock:
            self._advance(now)
            self._next = self._fresh(self._current, self._next)
            self._rotates_at = min(self._rotates_at, max(now, self._since + _MIN_LIFE_S))
            self._advance(now)

    def _advance(self, now: float) -> None:
        if now < self._rotates_at:
            return
        self._previous.appendleft((self._current, self._rotates_at))
        self._current, self._next = self._next, self._fresh(self._current, self._next)
        self._since = self._rotates_at
        self._rotates_at += self._rotate_s
        if self._rotates_at <= now:  # nobody has asked for long
            self._since, self._rotates_at = now, now + self._rotate_s

    def _fresh(self, *others: FrameCipher) -> FrameCipher:
        """A new key, called like none of the others nor of those that are remembered."""
        taken = {cipher.key.index for cipher in (*others, *(cipher for cipher, _ in self._previous))}
        index = next(index for index in self._indices if index not in taken)
        return self._make(ContentKey(index, secrets.token_bytes(self._key_bytes)))
