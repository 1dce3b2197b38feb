from __future__ import annotations

import pytest

from ops.sandbox.clock import Clock
from ops.sandbox.quota import Quota, QuotaExceeded

# 2026-01-15 07:00 UTC: an hour before midnight in California.
BEFORE_MIDNIGHT = 1768460400.0


def test_apps_of_one_project_share_its_units_until_midnight() -> None:
    clock = Clock(lambda: BEFORE_MIDNIGHT)
    quota = Quota(clock, daily_units=101)
    assert quota.charge("77-web.apps", "liveBroadcasts.insert") == 50
    assert quota.charge("77-tv.apps", "liveBroadcasts.list") == 1
    assert quota.charge("77-tv.apps", "thumbnails.set") == 50
    with pytest.raises(QuotaExceeded):
        quota.charge("77-web.apps", "liveStreams.list")
    assert quota.charge("78-web.apps", "liveStreams.list") == 1
    assert quota.all_spent() == {"77": 101, "78": 1}
    clock.advance(3599)
    assert quota.spent("77-web.apps") == 101
    clock.advance(1)
    assert quota.spent("77-web.apps") == 0
