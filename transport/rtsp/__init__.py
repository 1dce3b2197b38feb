"""Pulling cameras over RTSP: `endpoint.py` has the thread, `assemble.py` turns its packets into units."""
