"""Which numbers a viewer's streams have, and for what."""

from __future__ import annotations

from transport.media import Codec
from transport.plane.interface import Feed, Subscription


class Claims:
    """The SSRCs of one peer.

    Two streams under one SSRC would count their sequence numbers apart, and use a GCM nonce twice.
    """

    def __init__(self) -> None:
        self._feeds: dict[int, tuple[Codec, int]] = {}
        self._rtx_of: dict[int, int] = {}

    def __bool__(self) -> bool:
        """There was a subscription."""
        return bool(self._feeds)

    def claim(self, subscription: Subscription, feed: Feed) -> None:
        """Reserve what a subscription uses, for good.

        Raises:
            ValueError: an ssrc that another subscription of this peer uses, or of more than 32 bits; a move
                to another codec or clock rate.
        """
        ssrc, rtx_ssrc = subscription.ssrc, subscription.rtx_ssrc
        for number in (ssrc, rtx_ssrc or 0):
            if not 0 <= number < 1 << 32:
                raise ValueError(f"ssrc {number} has more than 32 bits")
        kind = (feed.codec, feed.clock_rate)
        if self._feeds.get(ssrc, kind) != kind:
            raise ValueError(f"ssrc {ssrc} cannot change its codec or clock rate")
        if ssrc in self._rtx_of or rtx_ssrc == ssrc or rtx_ssrc in self._feeds:
            raise ValueError(f"ssrc {ssrc} or {rtx_ssrc} is in use")
        if rtx_ssrc is not None and self._rtx_of.setdefault(rtx_ssrc, ssrc) != ssrc:
            raise ValueError(f"rtx ssrc {rtx_ssrc} is in use")
        self._feeds[ssrc] = kind
