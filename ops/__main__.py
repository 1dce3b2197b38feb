"""`python -m ops`, which is what `.venv/bin/streamer` runs too."""

from __future__ import annotations

import gc
import signal
import sys


def main() -> None:
    """The `streamer` command."""
    if sys.argv[1:2] == ["serve"]:
        # To reload; before anything can be, it would end the process, which systemd takes for an orderly end.
        # What has changed by the time the server serves is applied then.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # There is nothing to end in order yet, and a traceback through imports tells nobody anything.
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:  # and not ignored, as of a script's background job
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Nothing that modules are made of is garbage; searching for it takes a fifth of the time of loading them.
    gc.disable()
    from ops.cli import app
    from ops.process.leaving import leave

    gc.enable()
    signal.signal(signal.SIGINT, interrupt)
    try:
        app()
    except SystemExit as ended:
        leave(ended.code if isinstance(ended.code, int) else int(ended.code is not None))
        raise


if __name__ == "__main__":
    main()
