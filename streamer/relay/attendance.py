"""Tells a platform that its broadcast is live, and asks it how it goes, as often as it likes to be asked."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol

from streamer.relay.platforms.broadcast import Broadcast, Health, HealthState
from streamer.relay.platforms.errors import PlatformError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is waited between questions, in seconds.

    Attributes:
        first_s: before the first one: what began to flow a moment ago no platform can judge yet.
        least_s: whatever the platform says.
        trouble_s: after it did not answer and did not say when to ask again.
        refusal_s: the same, when asking again will hardly help.
        otherwise_s: after what nobody expected.
    """

    first_s: float = 3.0
    least_s: float = 1.0
    trouble_s: float = 10.0
    refusal_s: float = 60.0
    otherwise_s: float = 30.0


class Listener(Protocol):
    """Is told what the platform says."""

    def heard(self, health: Health) -> None:
        """How it finds what it gets."""
        ...

    def not_heard(self, error: PlatformError) -> None:
        """It does not say, or does not do what it was asked."""
        ...


async def attend(broadcast: Broadcast, listener: Listener, pace: Pace) -> None:
    """Go on until cancelled; media must be flowing."""
    told = False
    while True:
        again_s = pace.otherwise_s
        try:
            if not told:
                await broadcast.went_live()
                told = True
                await asyncio.sleep(pace.first_s)
            health = await broadcast.health()
            listener.heard(health)
            again_s = health.again_s
        except PlatformError as error:
            if error.reason == "over":
                listener.heard(Health(HealthState.ENDED))
            else:
                listener.not_heard(error)
            again_s = error.retry_after_s or (pace.trouble_s if error.retryable else pace.refusal_s)
        except Exception:  # a bug in asking must not end the broadcast
            _log.exception("a platform cannot be asked")
        await asyncio.sleep(max(pace.least_s, again_s))
