"""Fragmented MP4 as HTTP streaming wants it (CMAF, ISO/IEC 23000-19): a header once, then fragments.

`mux.py` writes both, `wire.py` their boxes, `codecs.py` says in a word what is in them.
"""

from transport.cmaf.codecs import codec_string
from transport.cmaf.mux import CARRIED, Run, Sample, fragment, header

__all__ = ["CARRIED", "Run", "Sample", "codec_string", "fragment", "header"]
