"""What machines share through Redis: who is there, who watches where, and batches for the database.

Nothing here is needed for video: while Redis is away every machine goes on by itself. `nodes.py` is the
heartbeat, `batches.py` a queue that several machines empty together.
"""
