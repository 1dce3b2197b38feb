"""RTP without I/O: `header.py` first, then `packetize.py`, `depacketize.py` and `rtcp.py`."""
