from __future__ import annotations

from pathlib import Path

import pytest

from ops.process.node import node_name


def test_a_name_is_made_once_and_kept(tmp_path: Path) -> None:
    name = node_name(tmp_path)
    assert len(name) == 12
    assert node_name(tmp_path) == name
    assert node_name(tmp_path / "another") != name


@pytest.mark.parametrize("half", [b"", b"0a1b", b"\x00" * 12])
def test_one_that_was_written_by_half_is_made_again(tmp_path: Path, half: bytes) -> None:
    node_name(tmp_path)
    (tmp_path / "engagement" / "node").write_bytes(half)
    name = node_name(tmp_path)
    assert len(name) == 12
    assert name == node_name(tmp_path)
    assert [path.name for path in (tmp_path / "engagement").iterdir()] == ["node"]
