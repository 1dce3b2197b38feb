"""SRT callers that read a stream and drop what comes, in a process of their own.

    python -m loadtests.rig.srt_readers PORT STREAM_ID PASSPHRASE READERS

Prints "reading" when all of them are connected, and goes on until it is ended.
"""

from __future__ import annotations

import sys
import threading

from transport.errors import LinkError
from transport.srt import SrtConnection, SrtOptions, SrtTarget, connect


def _read(connection: SrtConnection) -> None:
    try:
        while True:
            connection.receive_many(64)
    except LinkError as error:
        sys.stderr.write(f"{error}\n")


def main() -> None:
    """The command."""
    port, stream_id, passphrase, readers = sys.argv[1:]
    options = SrtOptions(passphrase=passphrase or None)
    target = SrtTarget("caller", "127.0.0.1", int(port), stream_id=stream_id, options=options)
    threads = []
    for _ in range(int(readers)):
        thread = threading.Thread(target=_read, args=(connect(target),), daemon=True)
        thread.start()
        threads.append(thread)
    sys.stdout.write("reading\n")
    sys.stdout.flush()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
