"""Tokens, and links with them: our own in `tokens.py`, those that others signed in `jwks.py`."""
