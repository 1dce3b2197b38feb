"""Clients of the platforms that streams are relayed to.

`broadcast.py` is what a relay needs of a platform, whichever it is; `youtube.py`, `facebook.py`, `twitch.py`
and `custom.py` are the platforms; `platforms.py` makes a broadcast on one of them from a connection.
"""
