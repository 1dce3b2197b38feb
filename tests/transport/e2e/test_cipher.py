from __future__ import annotations

import pytest

from transport.e2e import KEY_INDICES, ContentKey


@pytest.mark.parametrize("index", [-1, 0, 16])
def test_an_index_that_no_frame_can_carry(index: int) -> None:
    with pytest.raises(ValueError, match="expected 1-15"):
        ContentKey(index, bytes(32))


@pytest.mark.parametrize("size", [0, 15, 24, 33])
def test_a_key_of_no_such_cipher(size: int) -> None:
    with pytest.raises(ValueError, match="expected 16 or 32"):
        ContentKey(1, bytes(size))


def test_it_does_not_show_its_secret() -> None:
    assert "secret" not in repr(ContentKey(KEY_INDICES[-1], b"s" * 16))
    assert "ssss" not in str(ContentKey(KEY_INDICES[0], b"s" * 16))
