"""People sign in, and look after their own accounts. Start with `entrance.py`, then `login.py`."""
