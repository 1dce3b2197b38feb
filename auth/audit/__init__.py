"""The audit log: `entries.py` has what is written, `writer.py` writes it, `reader.py` reads and checks it."""
