"""Streams in files: fragmented MP4, written while they are published, kept for a set time.

`recordings.py` knows which streams are recorded, `recorder.py` is the thread that does it for one of them,
into what `files.py` begins and ends; `library.py` finds what is there, `room.py` keeps some of the disk, and
`sealed.py` encrypts.
"""
