"""Accounts on platforms, connected by OAuth 2.0. Start with `connections.py`, then `login.py`."""
