"""One publisher, many readers.

`registry.py` knows the streams by name, `stream.py` is one of them, `fanout.py` hands every unit to whoever
is attached, `timeline.py` keeps its clock steady over reconnects, `gop.py` keeps what a late reader needs,
`reader.py` is a bounded queue for outputs with a thread of their own, `rendition.py` makes other codings once
for all, and `intake.py` takes a picture and a sound in codings that an output can use.
"""
