"""Streams pushed on to platforms and other servers.

`machine.py` decides and `relay.py` does what it decided, one task for each relay; `programme.py` makes one
picture and sound without a gap of what comes and what does not, and `carrier.py` brings it to a connection
that `dialling.py` knows how to make.
`destination.py` is where one goes, `destinations.py` keeps them in the database, `memory.py` what a restart
needs; `relays.py` is all of them.
"""
