"""Bytes to access units and back. Knows no users, no hub and no HTTP.

Start with `transport.media` (what flows), then the protocol folder you need. Every protocol uses the same
file names: `wire.py` parses and serialises, `session.py` is a state machine without I/O, `endpoint.py` owns
sockets and threads, `demux.py` turns a byte stream into access units.
"""
