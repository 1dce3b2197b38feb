"""Who watched, for how long, and how well: measured once a second, kept by the minute, without spying.

`audience.py` is where to begin: every viewing session is a row of a numpy table, filled from the media
plane's counters and the player's beacons. What it cuts off every few seconds is a batch (`batch.py`), which
goes to the database exactly once (`store.py`), by way of a spool on disk (`spool.py`). `queries.py` answers.
"""
