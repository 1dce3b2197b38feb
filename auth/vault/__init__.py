"""Secrets at rest: sealed where they must be readable again, hashed where not. Start with `vault.py`."""
