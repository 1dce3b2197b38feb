"""Fragmented MP4 as HTTP streaming wants it (CMAF, ISO/IEC 23000-19): a header once, then fragments.

`mux.py` writes both, `wire.py` their boxes, `codecs.py` says in a word what is in them, `describe.py` reads
out of a header what the file is that begins with it, and `cut.py` takes a part out of such a file.
"""

from transport.cmaf.codecs import codec_string
from transport.cmaf.cut import Copied, Cut, cut
from transport.cmaf.describe import Described, describe
from transport.cmaf.mux import CARRIED, Run, Sample, fragment, header, length, length_offset

__all__ = [
    "CARRIED",
    "Copied",
    "Cut",
    "Described",
    "Run",
    "Sample",
    "codec_string",
    "cut",
    "describe",
    "fragment",
    "header",
    "length",
    "length_offset",
]
