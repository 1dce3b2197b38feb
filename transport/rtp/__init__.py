"""RTP without I/O: `header.py`, `packetize.py`, `depacketize.py` and `rtcp.py` first, then `receive.py`."""
