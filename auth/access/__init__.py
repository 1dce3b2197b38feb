"""Decisions: whether somebody gets in, how far and until when. Start with `door.py`, then `authority.py`."""
