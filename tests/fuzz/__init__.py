"""Nonsense against the plane: `make fuzz SECONDS=60`, or `python -m tests.sanitized memory -m tests.fuzz`.

A made-up life of a plane is an episode (`episode.py`): a list of steps, each a name and the seed of its
details. `scene.py` has the plane and those around it; `feeds.py`, `viewers.py` and `datagrams.py` have the
steps, `world.py` the rest of them, how frequent each is, and what must hold afterwards. `nonsense.py` makes
datagrams and units, `taker.py` takes from publishers. Episodes that reached code which none reached before
are kept and varied. `parsers.py` is the same for what reads a stranger's bytes in Python. A failure is
repeated with `--repeat FILE`.
"""
