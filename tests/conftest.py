"""What holds in every test, whether it asks for it or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.nonces import NonceWatch, watching


@pytest.fixture(autouse=True)
def nonces() -> Iterator[NonceWatch]:
    """Fails a test in which one key encrypted two packets with one nonce."""
    with watching() as watch:
        yield watch
