"""What holds in every test, whether it asks for it or not, and servers that the tests start once."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

from loadtests.rig.browser import PROGRAMS
from tests.fakes.nonces import NonceWatch, watching
from tests.rigs.launcher import launching
from tests.rigs.postgresql import Cluster, cluster

# How long one example takes says something about the machine, and nothing about the code.
hypothesis.settings.register_profile("streamer", deadline=None)
hypothesis.settings.load_profile("streamer")

# The same engine without the windows, menus and pages of the program around it, which take half of the time.
PROGRAMS.insert(0, "chromium-headless-shell")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The lane for Chromium finds its files by their text (Makefile): a mark from elsewhere would be lost."""
    marked = {item.path for item in items if item.get_closest_marker("browser")}
    hidden = sorted(str(path) for path in marked if "mark.browser" not in path.read_text(encoding="utf-8"))
    if hidden:
        raise pytest.UsageError(f"expected pytest.mark.browser in the file itself: {', '.join(hidden)}")


@pytest.fixture(autouse=True)
def nonces() -> Iterator[NonceWatch]:
    """Fails a test in which one key encrypted two packets with one nonce."""
    with watching() as watch:
        yield watch


@pytest.fixture(scope="session", autouse=True)
def launcher() -> Iterator[None]:
    """Servers under test start without loading everything anew."""
    with launching():
        yield


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A running PostgreSQL, begun when the first test asks for it."""
    with cluster() as running:
        yield running
