"""What programs that read a stream many times over tell of it: a line every 0.2 s, and how it is read.

A line has two numbers: how many readers have got something, and the bytes of payload that all of them got.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass

_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Receipts:
    """What came so far.

    Attributes:
        readers: that have got something.
        payload_bytes: of all of them.
    """

    readers: int = 0
    payload_bytes: int = 0


class Tally:
    """Counts, and tells on standard output. Each reader's count belongs to its own thread or task.

    Args:
        readers: how many there will be.
    """

    def __init__(self, readers: int) -> None:
        self.payload_bytes = [0] * readers
        self._ended = threading.Event()
        self._teller = threading.Thread(target=self._tell, daemon=True)
        self._teller.start()

    def _tell(self) -> None:
        while not self._ended.wait(_EVERY_S):
            counts = list(self.payload_bytes)
            sys.stdout.write(f"{sum(count > 0 for count in counts)} {sum(counts)}\n")
            sys.stdout.flush()

    def close(self) -> None:
        """Tell nothing more."""
        self._ended.set()
        self._teller.join()


def last(output: str) -> Receipts:
    """The last whole line that a program wrote.

    Raises:
        ValueError: it wrote something else, an error most likely.
    """
    lines = output.rpartition("\n")[0].splitlines()
    if not lines:
        return Receipts()
    readers, _, payload_bytes = lines[-1].partition(" ")
    if not (readers.isdecimal() and payload_bytes.isdecimal()):
        raise ValueError(f"the readers say: {output[-2000:]}")
    return Receipts(int(readers), int(payload_bytes))
