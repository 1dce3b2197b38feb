"""A ledger of what was spent of a platform's daily quota, shared by everything that asks the platform.

YouTube gives a project 10,000 units a day and counts anew at midnight in California. A call is paid for
before it is made, because one that fails is counted too. What is left decides how often health can be asked
for: a broadcast must always be able to end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.platforms.tables import quota_spent
from auth.storage.transactions import upsert


def _pacific() -> tzinfo:
    try:
        return ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:  # a system without time zones: right in winter, an hour early in summer
        return timezone(timedelta(hours=-8))


_PACIFIC = _pacific()


class QuotaLedger:
    """What was spent.

    Args:
        engine: the database.
        daily_units: what each project may spend in a day.
        clock: seconds since 1970.
    """

    def __init__(
        self, engine: AsyncEngine, daily_units: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.daily_units = daily_units
        self._engine = engine
        self._clock = clock

    async def spend(self, project: str, units: int, keep: int = 0) -> bool:
        """Take units; False, and none taken, when that would leave fewer than `keep`."""
        day = self._today()
        mine = (quota_spent.c.project == project) & (quota_spent.c.day == day)
        take = (
            update(quota_spent)
            .where(mine, quota_spent.c.units + units + keep <= self.daily_units)
            .values(units=quota_spent.c.units + units)
        )
        async with self._engine.begin() as connection:
            if (await connection.execute(take)).rowcount:
                return True
            if (await connection.execute(select(quota_spent.c.units).where(mine))).first() is not None:
                return False
            await connection.execute(delete(quota_spent).where(quota_spent.c.day < day))
            # Another machine may begin the day in this moment.
            begun = upsert(connection, quota_spent).values(project=project, day=day, units=0)
            await connection.execute(begun.on_conflict_do_nothing())
            return bool((await connection.execute(take)).rowcount)

    async def exhaust(self, project: str) -> None:
        """The platform says that nothing is left: others spend from the same project too."""
        await self.spend(project, 0)
        async with self._engine.begin() as connection:
            await connection.execute(
                update(quota_spent)
                .where(quota_spent.c.project == project, quota_spent.c.day == self._today())
                .values(units=self.daily_units)
            )

    async def left(self, project: str) -> int:
        """What can be spent yet today."""
        found = select(quota_spent.c.units).where(
            quota_spent.c.project == project, quota_spent.c.day == self._today()
        )
        async with self._engine.connect() as connection:
            spent = (await connection.execute(found)).scalar_one_or_none()
        return max(0, self.daily_units - int(spent or 0))

    def renews_in_s(self) -> float:
        """Until the day is over in California."""
        now = datetime.fromtimestamp(self._clock(), UTC).astimezone(_PACIFIC)
        tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        # Compared in UTC: two days of the year have another length.
        return (tomorrow.astimezone(UTC) - now.astimezone(UTC)).total_seconds()

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).astimezone(_PACIFIC).date().isoformat()
