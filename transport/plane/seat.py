"""One peer in the plane's thread: the viewer, the addresses it proved, the one it is sent to."""

from __future__ import annotations

from collections import OrderedDict

from transport.plane.inbox import Inbox
from transport.plane.routes import Route
from transport.plane.viewer import Viewer

#: A viewer with more addresses than this is not looking for a path any more.
_MAX_ROUTES = 8


class Seat:
    """Routes of one viewer. Identity matters: two seats are never equal.

    Attributes:
        selected: where it is sent to, None before its first check.
        consent_at: when silence ends it.
        is_lost: consent lapsed, it left, or its last connection ended; nothing is sent any more.
        is_closed: closed by us.
        inbox: of a publisher, what it sent; None for a viewer.
    """

    def __init__(self, viewer: Viewer, consent_at: float, inbox: Inbox | None = None) -> None:
        self.viewer = viewer
        self.inbox = inbox
        self.selected: Route | None = None
        self.consent_at = consent_at
        self.is_lost = False
        self.is_closed = False
        self._routes: OrderedDict[Route, None] = OrderedDict()

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every address that passed a check, the one checked last at the end."""
        return tuple(self._routes)

    @property
    def is_over(self) -> bool:
        """Lost or closed."""
        return self.is_lost or self.is_closed

    @property
    def can_send(self) -> bool:
        """There are keys and an address."""
        return self.selected is not None and not self.is_over and self.viewer.has_keys

    def checked(self, route: Route, *, nominated: bool) -> tuple[bool, Route | None]:
        """A valid check came this way.

        Returns:
            Whether the peer moved (or got its first address), and the route that had to go for this one.
        """
        self._routes[route] = None
        self._routes.move_to_end(route)
        moved = route != self.selected and (nominated or self.selected is None)
        if moved:
            self.selected = route
        if len(self._routes) <= _MAX_ROUTES:
            return moved, None
        evicted = next(known for known in self._routes if known not in (self.selected, route))
        del self._routes[evicted]
        return moved, evicted

    def lose(self, route: Route) -> bool:
        """A route is gone; returns whether the peer moved to the one that was checked last."""
        self._routes.pop(route, None)
        if route != self.selected:
            return False
        self.selected = next(reversed(self._routes), None)
        return self.selected is not None
