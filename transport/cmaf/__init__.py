"""Fragmented MP4 as HTTP streaming wants it (CMAF, ISO/IEC 23000-19): a header once, then fragments.

`mux.py` writes both, `wire.py` their boxes, `codecs.py` says in a word what is in them, and `describe.py`
reads out of a header what the file is that begins with it.
"""

from transport.cmaf.codecs import codec_string
from transport.cmaf.describe import Described, describe
from transport.cmaf.mux import CARRIED, Run, Sample, fragment, header, length, length_offset

__all__ = [
    "CARRIED",
    "Described",
    "Run",
    "Sample",
    "codec_string",
    "describe",
    "fragment",
    "header",
    "length",
    "length_offset",
]
