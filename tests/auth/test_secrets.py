from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from auth.secrets import AdminToken, same_secret


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestSameSecret:
    def test_equal_and_different(self) -> None:
        assert same_secret("a secret", "a secret")
        assert not same_secret("a secret", "a secreT")
        assert not same_secret("", "a secret")
        assert same_secret("schlüssel", "schlüssel")

    def test_bytes_that_are_no_text(self) -> None:
        # How an HTTP header that is not UTF-8 arrives.
        assert not same_secret("a\udcff", "a secret")


class TestAdminToken:
    def test_it_is_made_once_and_kept(self, tmp_path: Path) -> None:
        first = AdminToken(tmp_path / "new" / "state")
        second = AdminToken(tmp_path / "new" / "state")
        assert first.created
        assert not second.created
        assert first.value == second.value
        assert len(first.value) >= 40

    def test_two_servers_have_different_ones(self, tmp_path: Path) -> None:
        assert AdminToken(tmp_path / "a").value != AdminToken(tmp_path / "b").value

    @pytest.mark.usefixtures("open_umask")
    def test_nobody_else_may_read_it(self, tmp_path: Path) -> None:
        token = AdminToken(tmp_path)
        assert mode(token.path) == 0o600
        assert [path.name for path in tmp_path.iterdir()] == [token.path.name]

    def test_a_file_that_others_could_read_is_closed_to_them(self, tmp_path: Path) -> None:
        path = tmp_path / "admin.token"
        path.write_text("chosen by the operator\n", encoding="ascii")
        path.chmod(0o644)
        token = AdminToken(tmp_path)
        assert token.value == "chosen by the operator"
        assert mode(path) == 0o600

    def test_an_empty_file_does_not_become_an_empty_token(self, tmp_path: Path) -> None:
        (tmp_path / "admin.token").write_text(" \n", encoding="ascii")
        token = AdminToken(tmp_path)
        assert token.created
        assert token.value
        assert mode(token.path) == 0o600

    def test_a_start_that_was_interrupted_is_no_obstacle(self, tmp_path: Path) -> None:
        (tmp_path / "admin.new").write_text("half", encoding="ascii")
        assert AdminToken(tmp_path).value != "half"

    def test_only_the_whole_token_matches(self, tmp_path: Path) -> None:
        token = AdminToken(tmp_path)
        assert token.matches(token.value)
        for wrong in ("", token.value[:-1], token.value + "x", token.value.swapcase()):
            assert not token.matches(wrong)

    def test_a_state_directory_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OSError, match="file"):
            AdminToken(tmp_path / "file" / "state")
