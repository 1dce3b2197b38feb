"""Analytics over HTTP, for who manages a stream.

`live.py` tells of now and hears players, `history.py` of the past, `sessions.py` of single sessions;
`scope.py` is what may be asked about, `insight.py` who is asked.
"""

from __future__ import annotations

from streamer.hub.registry import Registry
from streamer.web.access import Access
from streamer.web.analytics.history import HistoryFace
from streamer.web.analytics.insight import Insight
from streamer.web.analytics.live import LiveFace
from streamer.web.analytics.scope import Scope
from streamer.web.analytics.sessions import SessionsFace


def analytics(
    registry: Registry, access: Access, insight: Insight
) -> tuple[LiveFace, HistoryFace, SessionsFace]:
    """All of it."""
    scope = Scope(registry, access)
    return LiveFace(scope, insight), HistoryFace(scope, insight), SessionsFace(scope, insight)
