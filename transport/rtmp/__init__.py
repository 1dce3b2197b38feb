"""RTMP and RTMPS: live media to YouTube, Facebook, Twitch and every other platform.

`wire.py` has the bytes (handshake, chunks, messages), `amf0.py` the values in commands, `address.py` the
addresses. `conversation.py` is what both sides of a connection do alike, `session.py` the publishing client,
`server.py` its opposite, `demux.py` what becomes of the tags that it takes; none of them touches a socket.
`endpoint.py` does.
"""
