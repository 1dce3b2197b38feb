"""SRT callers that read a stream and drop what comes, in a process of their own.

    python -m loadtests.rig.srt_readers srt://HOST:PORT?streamid=… READERS

Tells what came, see `receipts.py`, until it is ended.
"""

from __future__ import annotations

import sys
import threading

from loadtests.rig.receipts import Tally
from transport.errors import LinkError
from transport.srt import SrtConnection, connect
from transport.srt.wire import parse_srt_url


def _read(connection: SrtConnection, number: int, tally: Tally) -> None:
    try:
        while True:
            tally.payload_bytes[number] += sum(map(len, connection.receive_many(64)))
    except LinkError as error:
        sys.stderr.write(f"{error}\n")


def main() -> None:
    """The command."""
    url, readers = sys.argv[1:]
    target = parse_srt_url(url)
    tally = Tally(int(readers))
    threads = []
    for number in range(int(readers)):
        thread = threading.Thread(target=_read, args=(connect(target), number, tally), daemon=True)
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
