"""Servers that the tests start once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rigs.postgresql import Cluster, cluster


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A running PostgreSQL, begun when the first test asks for it."""
    with cluster() as running:
        yield running
