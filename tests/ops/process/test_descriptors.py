from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import logging, resource, sys
logging.basicConfig(format="%(message)s")
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from ops.process.descriptors import raise_limit
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "then", "warned"),
    [(256, 5000, 5000, False), (256, 300, 300, True), (300, 300, 300, True)],
)
def test_as_many_as_the_system_allows(soft: int, hard: int, then: int, warned: bool) -> None:
    program = _PROGRAM.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(then), str(then), str(hard)]
    assert (f"only {then} files" in done.stderr) is warned
