"""The server side of a WHEP session below HTTP.

`wire.py` reads offers, `negotiate.py` decides and answers, `dtls.py` agrees on keys with the viewer, over the
media plane's `Peer`; `candidates.py` says which addresses to tell.
"""
