"""The commands that work on the database: each module is one of them, `desk.py` what they share."""
