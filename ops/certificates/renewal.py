"""Keeps an ACME certificate fresh: asks for one when there is none, and again after two thirds of its life.

A failure is tried again with growing pauses; what it was stands in the log and in the API, and the
certificate in force stays.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable

from ops.certificates.acme import AcmeError, Issuer
from ops.certificates.tls import Certificate, TlsContext
from transport.errors import LinkError

_log = logging.getLogger(__name__)

# Let's Encrypt bears five failed proofs an hour for a name: these pauses make five in the first.
_FIRST_PAUSE_S = 150.0
_LONGEST_PAUSE_S = 3 * 3600.0
# A clock that is set, or a machine that slept, is noticed within this time.
_LONGEST_SLEEP_S = 600.0


class Renewal:
    """The certificate of one name.

    Args:
        tls: shows it.
        issuer: gets it.
        clock: time.time, or another.
        first_pause_s: after the first failure; doubles with each that follows.

    Attributes:
        next_attempt: when it is asked for next, in the clock's time; None while that is under way.
        last_error: why the last attempt failed, "" if it did not.
    """

    def __init__(
        self,
        tls: TlsContext,
        issuer: Issuer,
        clock: Callable[[], float] = time.time,
        first_pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        self.next_attempt: float | None = None
        self.last_error = ""
        self._tls = tls
        self._issuer = issuer
        self._clock = clock
        self._first_pause_s = first_pause_s

    def load(self) -> bool:
        """Show the certificate that is kept from before; False when there is none that can be used."""
        if not self._issuer.path.exists():
            return False
        try:
            self._tls.use(self._issuer.path, self._issuer.path)
        except LinkError as error:
            _log.warning("%s; another one is asked for", error)
            return False
        return True

    async def run(self) -> None:
        """Ask for certificates until cancelled."""
        pause_s = self._first_pause_s
        due_at = self._due_at()
        while True:
            await self._sleep_until(due_at)
            self.next_attempt = None
            try:
                await _in_thread(self._issuer.issue)
                certificate = self._tls.use(self._issuer.path, self._issuer.path)
            except (AcmeError, LinkError) as error:
                self._failed(str(error), pause_s)
            except Exception:  # a certificate's trouble must not end the server
                _log.exception("asking for a certificate failed")
                self._failed("the server failed; its log says why", pause_s)
            else:
                self.last_error = ""
                pause_s = self._first_pause_s
                due_at = self._due_at()
                _log.info("certificate for %s until %s", ", ".join(certificate.names), certificate.not_after)
                continue
            due_at = self._clock() + pause_s * random.uniform(0.9, 1.1)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _failed(self, reason: str, pause_s: float) -> None:
        self.last_error = reason
        _log.error("no certificate: %s; trying again in about %.0f s", reason, pause_s)

    def _due_at(self) -> float:
        certificate = self._tls.certificate
        return renew_at(certificate) if certificate is not None else self._clock()

    async def _sleep_until(self, due_at: float) -> None:
        self.next_attempt = due_at
        while (left_s := due_at - self._clock()) > 0:
            await asyncio.sleep(min(left_s, _LONGEST_SLEEP_S))
            self._tls.remind()


def renew_at(certificate: Certificate) -> float:
    """Two thirds into its life, as time.time() counts."""
    life = certificate.not_after - certificate.not_before
    return (certificate.not_before + life * 2 / 3).timestamp()


async def _in_thread(work: Callable[[], None]) -> None:
    """Run it in a thread that nobody waits for when the server stops: it may take minutes to time out."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        failure: BaseException | None = None
        try:
            work()
        except BaseException as error:
            failure = error
        try:
            loop.call_soon_threadsafe(settle, failure)
        except RuntimeError:  # the loop is closed, nobody waits any more
            pass

    threading.Thread(target=run, name="acme", daemon=True).start()
    await done
