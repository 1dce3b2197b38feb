"""The process's files and connections: as many as the system lets it have, and the first three of them."""

from __future__ import annotations

import logging
import os
import resource
import sys

_log = logging.getLogger(__name__)

#: Every HTTP connection and every viewer over TCP takes one; the systemd unit asks for as many.
_WANTED = 65_536
# Below this a crowd that opens the page together is turned away.
_FEW = 4096


def open_standard() -> None:
    """Have standard input, output and error lead nowhere where they are closed, lest a socket becomes one."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free
    # Python has None in their place, whatever its types say.
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def raise_limit() -> int:
    """Raise the soft limit, which shells leave at 1024, towards the hard one; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft != resource.RLIM_INFINITY and soft < _FEW:
        _log.warning(
            "this process may have only %d files and connections open (ulimit -n); expected %d or more, or "
            "viewers are turned away when there are many",
            soft,
            _FEW,
        )
    return soft
