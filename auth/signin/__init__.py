"""Logging in, by what is known here or elsewhere, and the sessions that follow. Start with `logins.py`."""
