"""Who else decides, as `[auth]` says: outside issuers with their keys, and the webhook. Follows a reload."""

from __future__ import annotations

import asyncio

from auth.access.authority import Authority
from auth.access.door import Door
from auth.access.webhook import Webhook
from auth.tokens.jwks import JwksVerifier
from auth.tokens.outside import OutsideIssuer
from ops.identity.outgoing import Outgoing
from streamer.sections.others import OthersConfig


class Others:
    """The outside issuers and the webhook of a running server. Made on its event loop.

    Args:
        authority: believes the issuers.
        door: asks the webhook.
        config: as it is at first.
    """

    def __init__(self, authority: Authority, door: Door, config: OthersConfig) -> None:
        self._authority = authority
        self._door = door
        self._outgoing = Outgoing()
        self._verifiers: dict[str, tuple[JwksVerifier, asyncio.Task[None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.apply(config)

    def apply(self, config: OthersConfig) -> None:
        """Do as a changed configuration says; what did not change keeps its keys and answers."""
        self._trust([issuer.trusted() for issuer in config.issuers])
        wanted, before = config.asked(), self._door.webhook
        if (before.config if before is not None else None) == wanted:
            return
        self._door.webhook = Webhook(wanted, self._outgoing.post) if wanted is not None else None
        if before is not None:
            # Who waits for its answer gets it.
            self._own(asyncio.create_task(before.finish()))

    async def close(self) -> None:
        """Let go of everything."""
        self._trust([])
        if self._door.webhook is not None:
            await self._door.webhook.close()
        for task in self._ending:
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self._outgoing.close()

    def _trust(self, issuers: list[OutsideIssuer]) -> None:
        wanted = {issuer.issuer: issuer for issuer in issuers}
        for name, (verifier, running) in list(self._verifiers.items()):
            if verifier.config != wanted.get(name):
                del self._verifiers[name]
                running.cancel()
                self._own(running)
        for name, issuer in wanted.items():
            if name not in self._verifiers:
                verifier = JwksVerifier(issuer, self._outgoing)
                self._verifiers[name] = (verifier, asyncio.create_task(verifier.run()))
        self._authority.trust([verifier for verifier, _ in self._verifiers.values()])

    def _own(self, task: asyncio.Task[None]) -> None:
        """Something that is ending; `close` waits for it."""
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
