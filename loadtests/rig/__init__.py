"""The real things around the server, started and ended: `server.py`, `encoder.py`, `browser.py`.

The tests in `tests/behaviour` and `tests/interop` use them too.
"""
